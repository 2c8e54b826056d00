from dispatcher.registry import *
