from dispatcher.chunking import *
