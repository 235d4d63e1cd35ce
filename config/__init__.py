"""Settings and entry points.

- ``demo``: the people, keys and policies of the demo, and a busy month on top of them
- ``first_run``: the embedded database and the secrets of a first run
- ``server``: the web server: its processes, limits for slow clients, and probes
- ``site``: middleware, logs and the OpenAPI reference
- ``formats``: date formats of the admin
- ``postgresql``: Django's database backend, with a check for closed connections
"""
