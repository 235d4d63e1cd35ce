"""Settings and entry points.

- ``demo``: the people, keys and policies of the demo, and a busy month on top of them
- ``first_run``: the embedded database and the secrets of a first run
- ``site``: middleware, logs, the web server and the OpenAPI reference
- ``formats``: date formats of the admin
- ``postgresql``: Django's database backend, with a check for closed connections
"""
