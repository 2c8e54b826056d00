from dispatcher.control import *
