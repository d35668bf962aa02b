// Every kind of JPEG and PNG becomes upright 8-bit RGB; broken ones become errors.
#include "pictures/image_decode.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include <whisker/core/random_sequence.h>

#include "catch.h"
#include "picture_fixtures.h"
#include "pictures/stb_decode.h"

using namespace picture_fixtures;
using catgan::decode_image;
using catgan::Image;
using catgan::ImageError;

namespace {

using Rgb = std::array<int, 3>;

Rgb pixel(const Image& image, int x, int y) {
  const std::uint8_t* at = image.rgb.data() + 3 * (y * image.width + x);
  return {at[0], at[1], at[2]};
}

int distance(const Rgb& a, const Rgb& b) {
  int largest = 0;
  for (std::size_t i = 0; i < 3; ++i)
    largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace

TEST_CASE("a PNG is decoded exactly and a JPEG closely", "[image_decode]") {
  const Image image = gradient(33, 17);
  const Image png = decode_image(to_png(image));
  CHECK(png.width == 33);
  CHECK(png.height == 17);
  CHECK(png.rgb == image.rgb);
  const Image jpeg = decode_image(to_jpeg(image));
  REQUIRE(jpeg.rgb.size() == image.rgb.size());
  for (const auto& [x, y] : {std::pair{0, 0}, {32, 0}, {0, 16}, {32, 16}, {16, 8}})
    CHECK(distance(pixel(jpeg, x, y), pixel(image, x, y)) <= 8);
}

TEST_CASE("progressive JPEGs and restart markers are decoded", "[image_decode]") {
  // The values are Pillow's; decoders may differ by the rounding of the transform and of chroma.
  const Image progressive = decode_image(progressive_jpeg());
  CHECK(progressive.width == 24);
  CHECK(progressive.height == 16);
  CHECK(distance(pixel(progressive, 0, 0), {0, 6, 128}) <= 2);
  CHECK(distance(pixel(progressive, 23, 0), {224, 2, 125}) <= 2);
  CHECK(distance(pixel(progressive, 12, 8), {119, 123, 124}) <= 2);
  const Image restart = decode_image(restart_jpeg());
  CHECK(distance(pixel(restart, 0, 15), {6, 223, 134}) <= 4);
  CHECK(distance(pixel(restart, 23, 15), {223, 223, 127}) <= 4);
  CHECK(distance(pixel(restart, 12, 8), {123, 120, 127}) <= 4);
}

TEST_CASE("grey pictures of every depth become RGB", "[image_decode]") {
  const Image bits = decode_image(make_png(4, 1, 1, 0, {{0b10100000}}));
  CHECK(pixel(bits, 0, 0) == Rgb{255, 255, 255});
  CHECK(pixel(bits, 1, 0) == Rgb{0, 0, 0});
  const Image nibbles = decode_image(make_png(2, 1, 4, 0, {{0x3F}}));
  CHECK(pixel(nibbles, 0, 0) == Rgb{51, 51, 51});
  CHECK(pixel(nibbles, 1, 0) == Rgb{255, 255, 255});
  const Image bytes = decode_image(make_png(2, 1, 8, 0, {{7, 200}}));
  CHECK(pixel(bytes, 1, 0) == Rgb{200, 200, 200});
  const Image words = decode_image(make_png(2, 1, 16, 0, {{0x12, 0x34, 0xFE, 0xFF}}));
  CHECK(pixel(words, 0, 0) == Rgb{0x12, 0x12, 0x12});
  CHECK(pixel(words, 1, 0) == Rgb{0xFE, 0xFE, 0xFE});
}

TEST_CASE("16-bit colour keeps the upper byte", "[image_decode]") {
  const Image image = decode_image(make_png(1, 1, 16, 2, {{1, 99, 2, 99, 3, 99}}));
  CHECK(pixel(image, 0, 0) == Rgb{1, 2, 3});
}

TEST_CASE("alpha is composited over white", "[image_decode]") {
  const Image rgba =
      decode_image(make_png(3, 1, 8, 6, {{10, 20, 30, 255, 10, 20, 30, 0, 100, 0, 200, 51}}));
  CHECK(pixel(rgba, 0, 0) == Rgb{10, 20, 30});
  CHECK(pixel(rgba, 1, 0) == Rgb{255, 255, 255});
  CHECK(pixel(rgba, 2, 0) == Rgb{224, 204, 244});  // a fifth of the colour, four fifths of white
  const Image grey_alpha = decode_image(make_png(2, 1, 8, 4, {{0, 255, 0, 0}}));
  CHECK(pixel(grey_alpha, 0, 0) == Rgb{0, 0, 0});
  CHECK(pixel(grey_alpha, 1, 0) == Rgb{255, 255, 255});
  const Image deep = decode_image(make_png(1, 1, 16, 6, {{9, 0, 8, 0, 7, 0, 0xFF, 0xFF}}));
  CHECK(pixel(deep, 0, 0) == Rgb{9, 8, 7});
}

TEST_CASE("palettes are looked up, with transparency", "[image_decode]") {
  const Bytes colors = png_chunk("PLTE", Bytes{255, 0, 0, 0, 255, 0, 0, 0, 255});
  const Image opaque = decode_image(make_png(3, 1, 8, 3, {{2, 1, 0}}, colors));
  CHECK(pixel(opaque, 0, 0) == Rgb{0, 0, 255});
  CHECK(pixel(opaque, 2, 0) == Rgb{255, 0, 0});
  const Bytes clear = colors + png_chunk("tRNS", Bytes{0});
  const Image half = decode_image(make_png(2, 1, 8, 3, {{0, 1}}, clear));
  CHECK(pixel(half, 0, 0) == Rgb{255, 255, 255});
  CHECK(pixel(half, 1, 0) == Rgb{0, 255, 0});
  const Image packed = decode_image(make_png(4, 1, 2, 3, {{0b00011000}}, colors));
  CHECK(pixel(packed, 1, 0) == Rgb{0, 255, 0});
  CHECK(pixel(packed, 2, 0) == Rgb{0, 0, 255});
}

TEST_CASE("colours beyond the palette's end are black on every run", "[image_decode]") {
  const Bytes colors = png_chunk("PLTE", Bytes{255, 255, 255});
  const Image image = decode_image(make_png(3, 1, 8, 3, {{0, 1, 255}}, colors));
  CHECK(pixel(image, 0, 0) == Rgb{255, 255, 255});
  CHECK(pixel(image, 1, 0) == Rgb{0, 0, 0});
  CHECK(pixel(image, 2, 0) == Rgb{0, 0, 0});
}

TEST_CASE("all eight EXIF orientations turn the picture upright", "[image_decode]") {
  // What is stored, one letter a pixel:  AB    and what each orientation should show.
  //                                      CD
  //                                      EF
  const std::string stored = "ABCDEF";
  const std::string shown[] = {"ABCDEF", "BADCFE", "FEDCBA", "EFCDAB",
                               "ACEBDF", "ECAFDB", "FDBECA", "BDFACE"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Bytes exif(exif_payload(orientation, orientation % 2 == 0));
    const Bytes tiff(exif.begin() + 6, exif.end());
    std::vector<Bytes> rows;
    for (std::size_t y = 0; y < 3; ++y)
      rows.push_back(bytes_of(stored.substr(2 * y, 2)));
    const Image image = decode_image(make_png(2, 3, 8, 0, rows, png_chunk("eXIf", tiff)));
    INFO("orientation " << orientation);
    CHECK(image.width == (orientation <= 4 ? 2 : 3));
    CHECK(image.height == (orientation <= 4 ? 3 : 2));
    std::string letters;
    for (std::size_t i = 0; i < image.rgb.size(); i += 3)
      letters += static_cast<char>(image.rgb[i]);
    CHECK(letters == shown[orientation - 1]);
  }
}

TEST_CASE("the orientation of a JPEG is read from its APP1 segment", "[image_decode]") {
  const Image image = gradient(32, 16);
  const Image turned = decode_image(with_segment(to_jpeg(image), 0xE1, exif_payload(6, false)));
  CHECK(turned.width == 16);
  CHECK(turned.height == 32);
  CHECK(distance(pixel(turned, 15, 0), pixel(image, 0, 0)) <= 8);
  const Bytes nonsense = with_segment(to_jpeg(image), 0xE1, exif_payload(9, true));
  CHECK(decode_image(nonsense).width == 32);
}

TEST_CASE("the smallest and thinnest pictures are decoded", "[image_decode]") {
  CHECK(decode_image(to_png(gradient(1, 1))).rgb.size() == 3);
  CHECK(decode_image(to_jpeg(gradient(1, 1))).rgb.size() == 3);
  CHECK(decode_image(to_png(gradient(16384, 1))).width == 16384);
  CHECK(decode_image(to_jpeg(gradient(1, 4000))).height == 4000);
}

TEST_CASE("the decoder cannot take more memory than its budget", "[image_decode]") {
  const Bytes png = to_png(gradient(64, 64));
  CHECK_NOTHROW(catgan::stb_decode(png, catgan::decode_budget(catgan::check_image(png))));
  CHECK_THROWS_WITH(catgan::stb_decode(png, 10000), ContainsSubstring("10000 bytes"));
  // A bare 48-byte PNG whose data chunk claims a gigabyte, past the check on purpose.
  const Bytes bomb = bytes_of("\x89PNG\r\n\x1A\n") + png_header(1, 1, 8, 2) +
                     Bytes{0x3F, 0xFF, 0xFF, 0xFF, 'I', 'D', 'A', 'T', 0, 0, 0, 0, 0, 0, 0};
  CHECK(bomb.size() == 48);
  CHECK_THROWS_AS(catgan::stb_decode(bomb, std::size_t{1} << 20), ImageError);
}

TEST_CASE("a PNG that unpacks to more than its size calls for is refused", "[image_decode]") {
  const std::vector<Bytes> rows(10, Bytes(1000000, 0));
  CHECK_THROWS_WITH(decode_image(make_png(1, 1, 8, 0, rows)), ContainsSubstring("unpacks to more"));
}

TEST_CASE("too little pixel data is an error", "[image_decode]") {
  CHECK_THROWS_AS(decode_image(make_png(100, 100, 8, 2, {Bytes(300)})), ImageError);
}

TEST_CASE("flipped bits give a picture or an error, never a crash", "[image_decode]") {
  whisker::RandomSequence random({.seed = 7});
  for (const Bytes& whole : {to_jpeg(gradient(24, 16)), progressive_jpeg(), restart_jpeg()}) {
    for (int i = 0; i < 300; ++i) {
      Bytes broken = whole;
      for (std::uint32_t flips = 1 + random.below(4); flips > 0; --flips)
        broken[random.below(static_cast<std::uint32_t>(broken.size()))] ^=
            static_cast<std::uint8_t>(1u << random.below(8));
      try {
        const Image image = decode_image(broken);
        CHECK(image.rgb.size() == 3u * static_cast<unsigned>(image.width * image.height));
      } catch (const ImageError& error) {
        CHECK_FALSE(std::string(error.what()).empty());
      }
    }
  }
}

TEST_CASE("a file's error names the file and the reason", "[image_decode]") {
  const TemporaryFolder folder;
  const Bytes jpeg = to_jpeg(gradient(64, 64));
  write_file(folder / "half.jpg", std::span(jpeg).first(jpeg.size() / 2));
  CHECK_THROWS_WITH(catgan::load_image(folder / "half.jpg"),
                    ContainsSubstring("half.jpg") && ContainsSubstring("cut off"));
  CHECK_THROWS_AS(catgan::load_image(folder / "absent.jpg"), whisker::IoError);
  CHECK_THROWS_WITH(catgan::load_image(folder / "absent.jpg"),
                    ContainsSubstring("absent.jpg") && ContainsSubstring("No such file"));
  write_file(folder / "good.jpg", to_png(gradient(5, 6)));
  CHECK(catgan::load_image(folder / "good.jpg").height == 6);
}

TEST_CASE("a pipe in place of a picture neither hangs nor is read", "[image_decode]") {
  const TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "pipe.jpg").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(catgan::load_image(folder / "pipe.jpg"),
                    ContainsSubstring("not a regular file"));
}

TEST_CASE("a file beyond the size limit is refused unread", "[image_decode]") {
  const TemporaryFolder folder;
  write_file(folder / "vast.png", "");
  std::filesystem::resize_file(folder / "vast.png", (std::uintmax_t{64} << 20) + 1);
  CHECK_THROWS_WITH(catgan::load_image(folder / "vast.png"), ContainsSubstring("67108865 bytes"));
}

namespace {

const Bytes kJfif = bytes_of(std::string_view("JFIF\0\1\1\0\0\1\0\1\0\0", 14));

Bytes with_adobe(const Bytes& jpeg, std::uint8_t transform) {
  return with_segment(jpeg, 0xEE, bytes_of("Adobe") + Bytes{0, 100, 0, 0, 0, 0, transform});
}

}  // namespace

// The values are Pillow's.
TEST_CASE("the colors of a JPEG are those that libjpeg finds", "[image_decode]") {
  const Bytes ids = {1, 2, 3}, rgb_ids = {'R', 'G', 'B'}, samples = {150, 100, 200};
  const Rgb stored = {150, 100, 200}, converted = {251, 108, 100};
  const auto shown = [](const Bytes& jpeg) { return pixel(decode_image(jpeg), 3, 3); };
  const Bytes bare = flat_jpeg(samples, ids), named = flat_jpeg(samples, rgb_ids);
  CHECK(distance(shown(bare), converted) <= 1);
  CHECK(distance(shown(flat_jpeg(samples, {0, 1, 2})), converted) <= 1);
  CHECK(shown(named) == stored);
  for (const Bytes& jpeg : {bare, named}) {
    CHECK(distance(shown(with_segment(jpeg, 0xE0, kJfif)), converted) <= 1);
    CHECK(shown(with_adobe(jpeg, 0)) == stored);
    CHECK(distance(shown(with_segment(with_adobe(jpeg, 0), 0xE0, kJfif)), converted) <= 1);
    for (const std::uint8_t transform : {1, 2, 9})
      CHECK(distance(shown(with_adobe(jpeg, transform)), converted) <= 1);
  }
  CHECK(shown(flat_jpeg({77}, {1})) == Rgb{77, 77, 77});
}

TEST_CASE("a CMYK JPEG is decoded right with any Adobe marker and with none", "[image_decode]") {
  const Rgb cmyk = {106, 71, 141}, ycck = {3, 104, 109};
  for (const Bytes& ids :
       {Bytes{1, 2, 3, 4}, Bytes{'C', 'M', 'Y', 'K'}, Bytes{'R', 'G', 'B', 'A'}}) {
    const Bytes jpeg = flat_jpeg({150, 100, 200, 180}, ids);
    const auto shown = [](const Bytes& bytes) { return pixel(decode_image(bytes), 3, 3); };
    CHECK(distance(shown(jpeg), cmyk) <= 1);
    CHECK(distance(shown(with_segment(jpeg, 0xE0, kJfif)), cmyk) <= 1);
    CHECK(distance(shown(with_adobe(jpeg, 0)), cmyk) <= 1);
    for (const std::uint8_t transform : {1, 2, 3})
      CHECK(distance(shown(with_adobe(jpeg, transform)), ycck) <= 1);
  }
}

TEST_CASE("JPEGs of two components are named as unsupported", "[image_decode]") {
  CHECK_THROWS_WITH(decode_image(flat_jpeg({1, 2}, {1, 2})), ContainsSubstring("2 components"));
}

TEST_CASE("the orientation of a PNG is found wherever it may stand", "[image_decode]") {
  const std::vector<Bytes> rows = {{1, 2}, {3, 4}, {5, 6}};
  const Bytes plain = make_png(2, 3, 8, 0, rows);
  const Bytes exif = exif_payload(6, true), tiff(exif.begin() + 6, exif.end());
  std::string digits = "\nexif\n      " + std::to_string(exif.size()) + "\n";
  for (const std::uint8_t byte : exif) {
    digits += "0123456789abcdef"[byte >> 4];
    digits += "0123456789abcdef"[byte & 15];
  }
  const Bytes raw_key = bytes_of("Raw profile type exif"), zero = {0}, raw = bytes_of(digits);
  const Bytes xmp_key = bytes_of("XML:com.adobe.xmp") + Bytes{0, 0, 0, 0, 0};
  const Bytes notes[] = {
      png_chunk("eXIf", tiff),
      png_chunk("tEXt", raw_key + zero + raw),
      png_chunk("zTXt", raw_key + zero + zero + zlib_stored(raw)),
      png_chunk("iTXt", raw_key + Bytes{0, 1, 0, 0, 0} + zlib_stored(raw)),
      png_chunk("iTXt", xmp_key + bytes_of("<x tiff:Orientation=\"6\"/>")),
      png_chunk("iTXt", xmp_key + bytes_of("<tiff:Orientation>6</tiff:Orientation>"))};
  for (const Bytes& note : notes) {
    CHECK(decode_image(make_png(2, 3, 8, 0, rows, note)).width == 3);
    const std::size_t end = plain.size() - 12;  // IEND
    const Bytes late = Bytes(plain.begin(), plain.begin() + static_cast<long>(end)) + note +
                       std::span(plain).subspan(end);
    const Image turned = decode_image(late);
    CHECK(turned.width == 3);
    CHECK(pixel(turned, 0, 0) == Rgb{5, 5, 5});
  }
  // EXIF counts before XMP, and a broken note costs nothing.
  const Bytes upright = exif_payload(1, true);
  const Bytes both = png_chunk("eXIf", std::span(upright).subspan(6)) + notes[4];
  CHECK(decode_image(make_png(2, 3, 8, 0, rows, both)).width == 2);
  for (const Bytes& broken :
       {png_chunk("eXIf", bytes_of("II*")), png_chunk("zTXt", raw_key + Bytes{0, 0, 1, 2, 3}),
        png_chunk("tEXt", raw_key + zero + bytes_of("\nexif\n 3\nxyz")),
        png_chunk("iTXt", xmp_key + bytes_of("tiff:Orientation=\"")), png_chunk("iTXt", zero)})
    CHECK(decode_image(make_png(2, 3, 8, 0, rows, broken)).width == 2);
}

TEST_CASE("the orientation of a JPEG may stand in XMP", "[image_decode]") {
  const Bytes space = bytes_of(std::string_view("http://ns.adobe.com/xap/1.0/\0", 29));
  const Bytes jpeg = to_jpeg(gradient(32, 16));
  const Bytes turned = with_segment(jpeg, 0xE1, space + bytes_of("<x tiff:Orientation=\"8\"/>"));
  CHECK(decode_image(turned).width == 16);
  CHECK(decode_image(with_segment(turned, 0xE1, exif_payload(1, true))).width == 32);
}
