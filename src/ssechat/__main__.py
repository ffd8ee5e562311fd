"""`python -m ssechat`."""

from ssechat.cli import main

main()
