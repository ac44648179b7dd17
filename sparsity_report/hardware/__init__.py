"""
What machines could do at best: a table of machines with their sources, and the roofline model. Torch-free.

Everything that comes out of here is modelled: a bound that no execution can beat, not a time that one will reach.
"""
