# One kernel of src/gpu/kernels as a C source that holds its SPIR-V:
#   cmake -DCC=compiler -DSRC=src -DNAME=matmul -DOUTPUT=matmul.c -DGLSLANG=glslangValidator -P spirv.cmake
# The C preprocessor makes GLSL of it, since a file of GLSL cannot paste names.
set(text ${OUTPUT}.comp)
foreach(header glsl types math)
  list(APPEND dialect -include gpu/dialect/${header}.h)
endforeach()
execute_process(COMMAND ${CC} -E -P -x c -std=c11 -I${SRC} ${dialect} ${SRC}/gpu/kernels/${NAME}.gpu.h -o ${text}
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${GLSLANG} -V --quiet --target-env vulkan1.2 --glsl-version 450 -S comp ${text} -o ${OUTPUT}.spv
  COMMAND_ERROR_IS_FATAL ANY)
file(READ ${OUTPUT}.spv hex HEX)
string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1,\n" words "${hex}")
file(WRITE ${OUTPUT} "/* Made by cmake/spirv.cmake. */\n#include <stddef.h>\n#include <stdint.h>\n
extern const uint32_t spirv_${NAME}[];\nextern const size_t spirv_${NAME}_bytes;
const uint32_t spirv_${NAME}[] = {\n${words}};\nconst size_t spirv_${NAME}_bytes = sizeof spirv_${NAME};\n")
