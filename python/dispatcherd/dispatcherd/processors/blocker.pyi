from dispatcher.processors.blocker import *
