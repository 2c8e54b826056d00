from dispatcher.processors import *
