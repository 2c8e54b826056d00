from dispatcher.config import *
