from dispatcher.publish import *
