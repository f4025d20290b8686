#include "../../async.h"
