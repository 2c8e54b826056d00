from dispatcher.factories import *
from dispatcherd._factories import *
