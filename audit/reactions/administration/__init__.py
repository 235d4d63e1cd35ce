"""What people do with subscriptions: pause, resume, divide, and deal with what was set aside."""
