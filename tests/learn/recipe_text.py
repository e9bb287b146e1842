"""A recipe that trains in a second."""

RECIPE = """
name = "tiny"
[data]
kind = "barcodes"
window = 2
[encoder]
kind = "tiny"
[objective]
kind = "ranks"
[optimizer]
kind = "adamw"
learning_rate = 0.01
[schedule]
kind = "cosine"
warm_up = 0.1
[training]
batch = 8
steps = 24
pieces = 2
average = 0.9
precision = "float32"
device = "cpu"
validate = 8
checkpoint = 4
log = 3
"""
