#include "CArrowBridge.h"
