from dispatcher.processors.params import *
