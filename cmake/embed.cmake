# Concatenates text files into a C header that holds them as a string:
#   cmake "-DINPUT=file;file" -DOUTPUT=header -DNAME=name -P embed.cmake
set(bytes "")
foreach(file ${INPUT})
  file(READ ${file} hex HEX)
  string(APPEND bytes ${hex})
endforeach()
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1, " bytes "${bytes}")
file(WRITE ${OUTPUT} "/* Made from text files by cmake/embed.cmake. */\nstatic const char ${NAME}[] = {\n${bytes}0x00};\n")
