// Every constant of the formats and of the seam that TypeScript needs, so that each is written
// once, in native.
#pragma once

#include <node_api.h>

namespace millrace::addon {

napi_value MakeConstants(napi_env env);

}  // namespace millrace::addon
