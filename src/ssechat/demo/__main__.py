"""`python -m ssechat.demo`: the demo server by itself."""

from ssechat.cli.demo_server import command

command(prog_name="ssechat demo-server")
