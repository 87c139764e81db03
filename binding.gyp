{
  # The same sources and flags as CMakeLists.txt, for machines without CMake and for tools that look for this file.
  "target_defaults": {
    "include_dirs": ["."],
    "cflags!": ["-O3"],
    "cflags": ["-O2", "-g1", "-fvisibility=hidden"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-O3"],
    "cflags_cc": [
      "-std=c++20", "-fno-exceptions", "-fno-rtti", "-fvisibility-inlines-hidden"
    ],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "GCC_ENABLE_CPP_EXCEPTIONS": "NO",
      "GCC_ENABLE_CPP_RTTI": "NO",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
    },
  },
  "targets": [
    {
      "target_name": "millrace_core",
      "type": "static_library",
      "sources": ["<!@(sed -n '/^native\\/addon\\//!p' native/sources.txt)"],
    },
    {
      "target_name": "millrace",
      "dependencies": ["millrace_core"],
      "sources": ["<!@(sed -n '/^native\\/addon\\//p' native/sources.txt)"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=9", "NAPI_DISABLE_CPP_EXCEPTIONS",
        "MILLRACE_VERSION=\"<!(node -p \"require('./package.json').version\")\"",
      ],
    },
  ],
}
