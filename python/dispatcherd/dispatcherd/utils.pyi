from dispatcher.utils import *
