"""Real proxies in front of the server, as an operator configures them."""

import subprocess
from contextlib import contextmanager

import pytest

from tests import servers
from tests.edge.client import get
from tests.threads import until

_HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend clients
  bind 127.0.0.1:{port}
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request deny if {{ path_beg /edge/mark }}
  default_backend countersign
backend countersign
  server one 127.0.0.1:{server}
"""
_NGINX = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /edge/mark {{ return 403; }}
    location / {{
      proxy_pass http://127.0.0.1:{server};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
}}
"""
_PROXIES = {
    "haproxy": (_HAPROXY, ["haproxy", "-db", "-f"]),
    "nginx": (_NGINX, ["nginx", "-c"]),
}


@contextmanager
def proxy(name, directory, *, server):
    """Run a proxy in front of a port until the block is left, and yield the proxy's port."""
    template, (program, *arguments) = _PROXIES[name]
    path = servers.program(program)
    if path is None:
        pytest.skip(f"{program} is not installed: apt install {program}")
    port = servers.free_port()
    directory.mkdir(exist_ok=True)
    configuration = directory / f"{name}.conf"
    configuration.write_text(template.format(port=port, server=server, directory=directory))
    with (directory / "output").open("w") as output:
        process = subprocess.Popen(
            [path, *arguments, str(configuration)], stdout=output, stderr=output
        )
    try:
        until(lambda: get(port, "/edge/echo", seconds=2) == 200 or process.poll() is not None)
        assert process.poll() is None, (directory / "output").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(10)
