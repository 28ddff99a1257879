# The command and the library: brew install --HEAD packaging/homebrew/sibyl.rb (Linux; on macOS the build is not tried)
class Sibyl < Formula
  desc "ONNX runtime and speech-to-text whose every number can be seen"
  license "Apache-2.0"
  # a folder with the checkout: HOMEBREW_SIBYL_SOURCE=$PWD
  head ENV.fetch("HOMEBREW_SIBYL_SOURCE", Dir.pwd), using: :git, branch: "main"

  depends_on "cmake" => :build
  depends_on "ninja" => :build
  depends_on "pkgconf" => :build
  depends_on "ffmpeg"
  depends_on "jansson"
  depends_on "jpeg-turbo"
  depends_on "libedit"
  depends_on "libpng"
  depends_on "libtiff"
  depends_on "libwebsockets"
  depends_on "libzip"
  depends_on :linux
  depends_on "openjpeg"
  depends_on "pcre2"
  depends_on "utf8proc"
  depends_on "webp"
  depends_on "zlib"

  def install
    system "cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DSIBYL_TESTS=OFF", *std_cmake_args
    system "cmake", "--build", "build"
    system "cmake", "--install", "build"
    pkgshare.install "assets/digits/sample.flac"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/sibyl --version") unless head?
    assert_match "zero", shell_output("#{bin}/sibyl transcribe #{pkgshare}/sample.flac")
  end
end
