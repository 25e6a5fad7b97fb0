"""Amazon Bedrock Runtime on one machine: Converse, ConverseStream and Titan embeddings, truly streamed.

Its model is named "built-in": it quotes the memories that it is given and does not reason. With `RECALL_MODEL_SERVER`
set, chat goes to that OpenAI-compatible server instead.
"""
