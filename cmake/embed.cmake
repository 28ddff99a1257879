# Turns a text file into a C header that holds it as a string:
#   cmake -DINPUT=file -DOUTPUT=header -DNAME=name -P embed.cmake
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1, " bytes "${hex}")
file(WRITE ${OUTPUT} "/* Made from a text file by cmake/embed.cmake. */\nstatic const char ${NAME}[] = {\n${bytes}0x00};\n")
