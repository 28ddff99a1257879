# WebAssembly by Debian's Clang, wasm-ld and wasi-libc: one thread, one memory of up to 4 GiB, which grows. js/native/posix holds
# the headers of POSIX that wasi-libc lacks; those of the system that builds are not for it.
# A number of another size than its format says is an error, since the arguments behind it are then read wrongly.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(CMAKE_C_COMPILER clang)
set(CMAKE_C_COMPILER_TARGET wasm32-wasi)
set(CMAKE_AR llvm-ar)
set(CMAKE_RANLIB llvm-ranlib)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # nothing of it runs here
set(CMAKE_C_FLAGS_INIT "-nostdlibinc -isystem ${CMAKE_CURRENT_LIST_DIR}/../js/native/posix -isystem /usr/include/wasm32-wasi\
 -D_WASI_EMULATED_MMAN -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_SIGNAL -Werror=format")
set(SIBYL_WASM ON)
