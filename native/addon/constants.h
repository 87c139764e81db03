// Every constant of the formats and of the seam that TypeScript needs, so that each is written
// once, in native.
#pragma once

#include <napi.h>

namespace millrace::addon {

Napi::Object MakeConstants(Napi::Env env);

}  // namespace millrace::addon
