# One kernel of src/gpu/kernels as a C source that holds its text in CUDA:
#   cmake -DCC=compiler -DSRC=src -DNAME=matmul -DOUTPUT=matmul.c -P cuda.cmake
# The C preprocessor includes what it includes, so that the compiler at run time needs no files.
foreach(header cuda types math)
  list(APPEND dialect -include gpu/dialect/${header}.h)
endforeach()
execute_process(COMMAND ${CC} -E -P -x c -std=c11 -I${SRC} ${dialect} ${SRC}/gpu/kernels/${NAME}.gpu.h -o ${OUTPUT}.cu
  COMMAND_ERROR_IS_FATAL ANY)
file(READ ${OUTPUT}.cu hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "/* Made by cmake/cuda.cmake. */\nextern const char cuda_${NAME}[];\nconst char cuda_${NAME}[] = {\n${bytes}0};\n")
