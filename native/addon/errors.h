// The one place where a Status becomes a JavaScript error.
//
// TypeScript hands a function to native once, when it loads the addon: (code, message, rangeStart,
// rangeEnd) => Error. It makes a MillraceError, so the class stays plain TypeScript and
// `instanceof` works. After worker.terminate() any call of Node-API can fail, as JavaScript may not
// run: everything here then returns quietly.
#pragma once

#include <node_api.h>

#include "native/base/status.h"

namespace millrace::addon {

// An error for a status that is not ok; null when JavaScript may not run.
napi_value MakeError(napi_env env, const base::Status& status);

// Throws the error of a status that is not ok; nothing for ok. Returns null, for `return
// ThrowStatus(...)`.
napi_value ThrowStatus(napi_env env, const base::Status& status);

// ThrowStatus of an INVALID_ARGUMENT. `what` names the argument, what is wanted and its bound.
napi_value ThrowInvalid(napi_env env, const char* what);

// A callback threw: its exception goes to the process's handler of uncaught exceptions, as one
// thrown in a timer does.
void ReportException(napi_env env);

}  // namespace millrace::addon
