"""Commands about subscriptions: pause, resume, divide, and retry or skip what was set aside."""
