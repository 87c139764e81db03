/*
 * The floor of the seam: an addon whose calls do nothing, so that what a call costs can be told from what the log does in it; and what
 * a bench has to ask of the C library. It is not part of the package; the bench compiles it for itself.
 */
#include <node_api.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static napi_value Empty(napi_env env, napi_callback_info info) {
  (void)env;
  (void)info;
  return NULL;
}

/* Takes a typed array apart, as every call of the log that is given bytes has to, and stores its size in it. */
static napi_value TakeTypedArray(napi_env env, napi_callback_info info) {
  napi_value bytes = NULL;
  size_t count = 1;
  napi_typedarray_type type = napi_uint8_array;
  size_t length = 0;
  void* data = NULL;
  if (napi_get_cb_info(env, info, &count, &bytes, NULL, NULL) == napi_ok &&
      napi_get_typedarray_info(env, bytes, &type, &length, &data, NULL, NULL) == napi_ok &&
      length > 0) {
    *(uint8_t*)data = (uint8_t)length;
  }
  return NULL;
}

/* Gives what malloc keeps of freed memory back to the kernel, where the C library can be told to. */
static napi_value TrimMalloc(napi_env env, napi_callback_info info) {
  (void)env;
  (void)info;
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  return NULL;
}

static void Export(napi_env env, napi_value exports, const char* name, napi_callback function) {
  napi_value value = NULL;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value) == napi_ok) {
    napi_set_named_property(env, exports, name, value);
  }
}

NAPI_MODULE_INIT() {
  Export(env, exports, "empty", Empty);
  Export(env, exports, "takeTypedArray", TakeTypedArray);
  Export(env, exports, "trimMalloc", TrimMalloc);
  return exports;
}
