#!/bin/sh
# Static analysis of the library and the command: nothing may be found. A finding that is none is suppressed where it stands,
# with its reason, or here:
#   invalidPointerCast        kernels see the bytes of tensors, which are aligned, as their elements
#   internalAstError          cppcheck 2.10 cannot parse a compound literal within a conditional
#   missingIncludeSystem      headers of the system are not read
cd "$(dirname "$0")/.." || exit 1
cppcheck --enable=warning,performance,portability --inline-suppr --quiet --std=c11 --error-exitcode=1 \
    -Iinclude -Isrc -Icli -DSIBYL_X86=1 --max-configs=1 -j "$(nproc 2>/dev/null || echo 2)" \
    --suppress=invalidPointerCast --suppress=internalAstError --suppress=missingIncludeSystem \
    --template='{file}:{line}: {severity} {id}: {message}' src cli && echo "static analysis: nothing found"
