from dispatcher.processors.delayer import *
