# The libraries that Sibyl is built with, found by pkg-config as PkgConfig::NAME. All that are missing are named at once, with
# the packages that have them. SIBYL_LINKED: those that the library is linked with; SIBYL_OPENED: FFmpeg's, with the first recording.
# name, modules with their lowest versions, package of Debian and Ubuntu, of Fedora, of Homebrew
set(SIBYL_LIBRARIES
  "FFMPEG|libavformat>=59 libavcodec>=59 libavutil>=57 libswresample>=4|libavformat-dev libavcodec-dev libavutil-dev libswresample-dev|ffmpeg-free-devel|ffmpeg"
  "LIBZIP|libzip|libzip-dev|libzip-devel|libzip"
  "PNG|libpng|libpng-dev|libpng-devel|libpng"
  "JPEG|libjpeg|libjpeg-dev|libjpeg-turbo-devel|jpeg-turbo"
  "WEBP|libwebp|libwebp-dev|libwebp-devel|webp"
  "TIFF|libtiff-4>=4.5|libtiff-dev|libtiff-devel|libtiff"
  "OPENJPEG|libopenjp2>=2.4|libopenjp2-7-dev|openjpeg2-devel|openjpeg"
  "PCRE2|libpcre2-8>=10.34|libpcre2-dev|pcre2-devel|pcre2"
  "UTF8PROC|libutf8proc|libutf8proc-dev|utf8proc-devel|utf8proc"
  "JANSSON|jansson|libjansson-dev|jansson-devel|jansson"
  "ZLIB|zlib|zlib1g-dev|zlib-devel|zlib")
if(SIBYL_CLI)
  list(APPEND SIBYL_LIBRARIES "WEBSOCKETS|libwebsockets>=4.1|libwebsockets-dev|libwebsockets-devel|libwebsockets"
    "EDIT|libedit|libedit-dev|libedit-devel|libedit")
endif()

set(missing "")
set(debian "")
foreach(row IN LISTS SIBYL_LIBRARIES)
  string(REPLACE "|" ";" row "${row}")
  list(GET row 0 name)
  list(GET row 1 modules)
  string(REPLACE " " ";" modules_list "${modules}")
  if(name STREQUAL FFMPEG)
    set(SIBYL_OPENED PkgConfig::FFMPEG)
  elseif(NOT name MATCHES "^(WEBSOCKETS|EDIT)$")
    list(APPEND SIBYL_LINKED PkgConfig::${name})
  endif()
  pkg_check_modules(${name} QUIET IMPORTED_TARGET ${modules_list})
  if(NOT ${name}_FOUND)
    list(GET row 2 in_debian)
    list(GET row 3 in_fedora)
    list(GET row 4 in_homebrew)
    string(APPEND missing "  ${modules}: Debian and Ubuntu ${in_debian}; Fedora ${in_fedora}; Homebrew ${in_homebrew}\n")
    string(APPEND debian " ${in_debian}")
  endif()
endforeach()
if(missing)
  message(FATAL_ERROR "Sibyl is built with these libraries, which pkg-config does not find:\n${missing}"
    "On Debian and Ubuntu: apt-get install${debian}")
endif()
