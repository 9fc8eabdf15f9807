"""A local page with sliders: what the theory says of a chain of tasks, followed as the sliders move.

`state` checks what the sliders hold, `shown` turns it into numbers, commands and pictures, and `page` lays it out with
Flask, the one module that needs an extra. Flask, because it is the smallest well-kept library that does this (4 MB with
all that it needs; others take 100 MB and more): the page is plain HTML, and its address is its whole state.
"""
