"""The demo provider: a small server on loopback that shows what a resumable stream is.

faults      the knobs in a prompt that break a stream on purpose
request     both APIs' requests, as the demo understands them
answers     which prepared answer a conversation gets
script      an answer as steps; openai and anthropic put a step on the wire
stream      one stream's clock, ids and state; store keeps it on disk
provider    all streams of a process
reader      one reader's connection: events as they fall due, and the faults
server      routes; guard: what may come in; serve: the process; child: started by the app
"""
