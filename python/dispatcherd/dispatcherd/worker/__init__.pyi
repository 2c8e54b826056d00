from dispatcher.worker import *
