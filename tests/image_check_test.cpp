// Whole streams pass, everything else is named for what it is.
#include "pictures/image_check.h"

#include <string>

#include "catch.h"
#include "picture_fixtures.h"
#include "pictures/png_check.h"

using namespace picture_fixtures;
using catgan::check_image;
using catgan::Fault;
using catgan::ImageError;

namespace {

struct Refusal {
  Fault fault;
  std::string reason;
};

Refusal refusal_of(const Bytes& bytes) {
  try {
    check_image(bytes);
  } catch (const ImageError& error) {
    return {error.fault(), error.what()};
  }
  FAIL("the stream was accepted");
  return {};
}

Bytes first_part(const Bytes& bytes, std::size_t size) {
  return {bytes.begin(), bytes.begin() + static_cast<long>(size)};
}

std::size_t find_marker(const Bytes& jpeg, std::uint8_t marker) {
  for (std::size_t i = 0; i + 1 < jpeg.size(); ++i) {
    if (jpeg[i] == 0xFF && jpeg[i + 1] == marker) return i;
  }
  FAIL("the JPEG lacks a marker");
  return 0;
}

}  // namespace

TEST_CASE("whole pictures pass and their headers are read", "[image_check]") {
  const Bytes jpeg = to_jpeg(gradient(40, 30)), png = to_png(gradient(50, 20));
  CHECK(check_image(jpeg).width == 40);
  CHECK(check_image(jpeg).height == 30);
  CHECK(check_image(jpeg).bytes == jpeg.size());
  CHECK_FALSE(check_image(jpeg).progressive);
  CHECK(check_image(png).width == 50);
  CHECK(check_image(png).height == 20);
  CHECK(check_image(png).bytes == png.size());
  CHECK(check_image(progressive_jpeg()).progressive);
  CHECK(check_image(progressive_jpeg()).bytes == progressive_jpeg().size());
  CHECK(check_image(restart_jpeg()).bytes == restart_jpeg().size());
}

TEST_CASE("every proper prefix of a picture is refused", "[image_check]") {
  for (const Bytes& whole :
       {to_jpeg(gradient(24, 16)), progressive_jpeg(), restart_jpeg(), to_png(gradient(24, 16))}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      INFO("cut to " << size << " of " << whole.size() << " bytes");
      const Fault expected = size == 0  ? Fault::empty
                             : size < 4 ? Fault::unknown_data
                                        : Fault::truncated;
      const Refusal refusal = refusal_of(first_part(whole, size));
      CHECK((refusal.fault == expected || (size == 3 && refusal.fault == Fault::truncated)));
    }
  }
}

TEST_CASE("a cut-off picture's reason says where the file ends", "[image_check]") {
  const Bytes jpeg = to_jpeg(gradient(64, 64));
  CHECK(refusal_of(first_part(jpeg, jpeg.size() - 1)).reason.find("cut off in its pixels") !=
        std::string::npos);
  CHECK(
      refusal_of(first_part(jpeg, jpeg.size() - 1)).reason.find(std::to_string(jpeg.size() - 1)) !=
      std::string::npos);
}

TEST_CASE("junk after the end of the picture is no fault", "[image_check]") {
  for (const Bytes& whole :
       {to_jpeg(gradient(24, 16)), progressive_jpeg(), to_png(gradient(24, 16))}) {
    CHECK(check_image(whole + Bytes(100000, 0xFF)).bytes == whole.size());
    CHECK(check_image(whole + whole).bytes == whole.size());
  }
}

TEST_CASE("the end marker of an embedded thumbnail does not end the picture", "[image_check]") {
  const Bytes thumbnail = to_jpeg(gradient(8, 8));
  const Bytes photo =
      with_segment(to_jpeg(gradient(64, 48)), 0xE1, exif_payload(1, true) + thumbnail);
  CHECK(check_image(photo).width == 64);
  CHECK(check_image(photo).bytes == photo.size());
  const Refusal refusal = refusal_of(first_part(photo, thumbnail.size() + 200));
  CHECK(refusal.fault == Fault::truncated);
}

TEST_CASE("the first EXIF block counts and short ones are passed over", "[image_check]") {
  const Bytes jpeg = to_jpeg(gradient(8, 8));
  const Bytes late = with_segment(jpeg, 0xE1, exif_payload(3, true));
  CHECK(check_image(with_segment(late, 0xE1, exif_payload(6, true))).orientation == 6);
  CHECK(
      check_image(with_segment(late, 0xE1, bytes_of("http://ns.adobe.com/xap/1.0/"))).orientation ==
      3);
  for (std::size_t size = 0; size < exif_payload(6, true).size() - 4; ++size) {
    const Bytes cut = with_segment(jpeg, 0xE1, first_part(exif_payload(6, true), size));
    CHECK(check_image(cut).orientation == 1);
  }
}

TEST_CASE("fill bytes before a marker are allowed", "[image_check]") {
  Bytes jpeg = to_jpeg(gradient(24, 16));
  jpeg.insert(jpeg.end() - 2, 3, 0xFF);
  CHECK(check_image(jpeg).bytes == jpeg.size());
}

TEST_CASE("other picture formats are refused by name", "[image_check]") {
  const std::pair<std::string, Bytes> samples[] = {{"WebP", bytes_of("RIFF....WEBPVP8 ")},
                                                   {"GIF", bytes_of("GIF89a")},
                                                   {"BMP", bytes_of("BM......")},
                                                   {"TIFF", bytes_of({"II*\0....", 8})},
                                                   {"TIFF", bytes_of({"MM\0*....", 8})},
                                                   {"HEIC", bytes_of({"\0\0\0\x18"
                                                                      "ftypheic",
                                                                      12})},
                                                   {"AVIF", bytes_of({"\0\0\0\x18"
                                                                      "ftypavif",
                                                                      12})}};
  for (const auto& [name, bytes] : samples) {
    const Refusal refusal = refusal_of(bytes);
    CHECK(refusal.fault == Fault::foreign_format);
    CHECK(refusal.reason.find(name) != std::string::npos);
  }
  CHECK(refusal_of(bytes_of("<!DOCTYPE html>")).reason.find("HTML") != std::string::npos);
  CHECK(refusal_of(bytes_of("hello")).reason.find("68 65 6C 6C") != std::string::npos);
}

TEST_CASE("huge pictures are refused by their header alone", "[image_check]") {
  const Bytes signature = bytes_of("\x89PNG\r\n\x1A\n");
  CHECK(refusal_of(signature + png_header(30000, 30000, 8, 2)).fault == Fault::too_large);
  CHECK(refusal_of(signature + png_header(16384, 16384, 8, 2)).fault == Fault::too_large);
  CHECK(refusal_of(signature + png_header(0, 5, 8, 2)).fault == Fault::damaged);
  Bytes jpeg = to_jpeg(gradient(8, 8));
  const std::size_t frame = find_marker(jpeg, 0xC0);
  for (const std::size_t at : {frame + 5, frame + 7}) {
    jpeg[at] = 30000 >> 8;
    jpeg[at + 1] = 30000 & 0xFF;
  }
  CHECK(refusal_of(jpeg).fault == Fault::too_large);
  CHECK(refusal_of(jpeg).reason.find("30000x30000") != std::string::npos);
}

TEST_CASE("a PNG chunk that claims a gigabyte is a cut-off file", "[image_check]") {
  const Bytes bomb = bytes_of("\x89PNG\r\n\x1A\n") + png_header(1, 1, 8, 2) +
                     Bytes{0x3F, 0xFF, 0xFF, 0xFF, 'I', 'D', 'A', 'T', 0, 0, 0, 0};
  CHECK(refusal_of(bomb).fault == Fault::truncated);
  CHECK(refusal_of(bomb).reason.find("IDAT") != std::string::npos);
}

TEST_CASE("every flipped bit of a PNG is found", "[image_check]") {
  const Bytes png = to_png(gradient(5, 4));
  for (std::size_t bit = 0; bit < 8 * png.size(); ++bit) {
    Bytes flipped = png;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    INFO("bit " << bit);
    CHECK_THROWS_AS(check_image(flipped), ImageError);
  }
}

TEST_CASE("CRC-32 of the check string is the published one", "[image_check]") {
  CHECK(catgan::crc32(bytes_of("123456789")) == 0xCBF43926u);
}

TEST_CASE("PNGs against the rules of the format are refused", "[image_check]") {
  const std::vector<Bytes> rows = {{0, 0, 0}};
  CHECK_NOTHROW(check_image(make_png(1, 1, 8, 2, rows)));
  CHECK(refusal_of(make_png(1, 1, 4, 2, rows)).reason.find("bit depth") != std::string::npos);
  CHECK(refusal_of(make_png(1, 1, 8, 5, rows)).reason.find("colour type") != std::string::npos);
  CHECK(refusal_of(make_png(1, 1, 8, 3, {{0}})).reason.find("palette") != std::string::npos);
  const Bytes unknown = png_chunk("ABCD", bytes_of("?")), ancillary = png_chunk("abCD", {});
  CHECK(refusal_of(make_png(1, 1, 8, 2, rows, unknown)).reason.find("ABCD") != std::string::npos);
  CHECK_NOTHROW(check_image(make_png(1, 1, 8, 2, rows, ancillary)));
  const Bytes no_pixels =
      bytes_of("\x89PNG\r\n\x1A\n") + png_header(1, 1, 8, 2) + png_chunk("IEND", {});
  CHECK(refusal_of(no_pixels).reason.find("IDAT") != std::string::npos);
}

TEST_CASE("JPEGs that a decoder would fill with rubbish are refused", "[image_check]") {
  const Bytes jpeg = to_jpeg(gradient(24, 16));
  SECTION("without Huffman tables") {
    Bytes broken = jpeg;
    broken[find_marker(broken, 0xC4) + 1] = 0xFE;  // a comment instead
    CHECK(refusal_of(broken).reason.find("Huffman table") != std::string::npos);
  }
  SECTION("with more Huffman symbols than 256") {
    Bytes table(1 + 16 + 257);
    table[8] = 255;
    table[9] = 2;
    CHECK(refusal_of(with_segment(jpeg, 0xC4, table)).reason.find("Huffman") != std::string::npos);
    table[9] = 1;
    table.pop_back();
    CHECK_NOTHROW(check_image(with_segment(jpeg, 0xC4, table)));
  }
  SECTION("without quantisation tables") {
    Bytes broken = jpeg;
    broken[find_marker(broken, 0xDB) + 1] = 0xFE;
    CHECK(refusal_of(broken).reason.find("quantisation") != std::string::npos);
  }
  SECTION("with a scan that holds nothing") {
    const std::size_t scan = find_marker(jpeg, 0xDA);
    const Bytes broken = first_part(jpeg, scan + 2 + jpeg[scan + 3]) + Bytes{0xFF, 0xD9};
    CHECK(refusal_of(broken).reason.find("without data") != std::string::npos);
  }
  SECTION("progressive without its first scan") {
    const Bytes whole = progressive_jpeg();
    const std::size_t first = find_marker(whole, 0xDA);
    std::size_t next = first + 2;
    while (whole[next] != 0xFF || whole[next + 1] == 0)
      ++next;
    const Bytes broken = first_part(whole, first) + std::span(whole).subspan(next);
    CHECK(refusal_of(broken).reason.find("no data for component") != std::string::npos);
  }
  SECTION("without any scan") {
    const Bytes broken = first_part(jpeg, find_marker(jpeg, 0xDA)) + Bytes{0xFF, 0xD9};
    CHECK(refusal_of(broken).reason.find("no data for component") != std::string::npos);
  }
}

TEST_CASE("kinds of JPEG that are not read are named", "[image_check]") {
  Bytes jpeg = to_jpeg(gradient(24, 16));
  const std::size_t frame = find_marker(jpeg, 0xC0);
  SECTION("12 bits") {
    jpeg[frame + 4] = 12;
    CHECK(refusal_of(jpeg).reason.find("12-bit") != std::string::npos);
  }
  SECTION("arithmetic coding") {
    jpeg[frame + 1] = 0xC9;
    CHECK(refusal_of(jpeg).reason.find("arithmetic") != std::string::npos);
  }
  SECTION("lossless") {
    jpeg[frame + 1] = 0xC3;
    CHECK(refusal_of(jpeg).reason.find("lossless") != std::string::npos);
  }
  CHECK(refusal_of(jpeg).fault == Fault::unsupported);
}

TEST_CASE("a progressive JPEG of endlessly many scans is refused", "[image_check]") {
  Bytes jpeg = progressive_jpeg();
  const std::size_t frame = find_marker(jpeg, 0xC2);
  jpeg[frame + 5] = jpeg[frame + 7] = 0x1F;  // 7952x7960 or so: near the limit
  const std::size_t scan = find_marker(jpeg, 0xDA);
  std::size_t end = scan + 2 + jpeg[scan + 3];
  while (jpeg[end] != 0xFF || jpeg[end + 1] == 0)
    ++end;
  const Bytes one_scan(jpeg.begin() + static_cast<long>(scan),
                       jpeg.begin() + static_cast<long>(end));
  Bytes many = first_part(jpeg, end);
  for (int i = 0; i < 40; ++i)
    many = std::move(many) + one_scan;
  CHECK(refusal_of(many + Bytes{0xFF, 0xD9}).fault == Fault::too_large);
}

TEST_CASE("a PNG whose pixels are packed wrongly is refused though its CRCs are right",
          "[image_check]") {
  const Bytes head = bytes_of("\x89PNG\r\n\x1A\n") + png_header(2, 2, 8, 0);
  const Bytes good = zlib_stored({0, 1, 2, 0, 3, 4});
  const auto png = [&](const Bytes& packed) {
    return head + png_chunk("IDAT", packed) + png_chunk("IEND", {});
  };
  const auto changed = [&](std::size_t at) {
    Bytes packed = good;
    packed[at] ^= 1;
    return png(packed);
  };
  CHECK_NOTHROW(check_image(png(good)));
  CHECK(refusal_of(changed(good.size() - 1)).reason.find("Adler-32") != std::string::npos);
  CHECK(refusal_of(changed(8)).reason.find("Adler-32") != std::string::npos);
  CHECK(refusal_of(changed(0)).reason.find("zlib header") != std::string::npos);
  CHECK(refusal_of(changed(3)).reason.find("stored block") != std::string::npos);
  CHECK(refusal_of(png(first_part(good, good.size() - 1))).reason.find("ends before") !=
        std::string::npos);
  CHECK(refusal_of(png(zlib_stored({0, 1, 2, 0, 3}))).reason.find("calls for 6") !=
        std::string::npos);
  // Two blocks of pixels with something between them.
  const Bytes apart = head + png_chunk("IDAT", first_part(good, 5)) + png_chunk("tEXt", {}) +
                      png_chunk("IDAT", std::span(good).subspan(5)) + png_chunk("IEND", {});
  CHECK(refusal_of(apart).reason.find("between its pixels") != std::string::npos);
}

TEST_CASE("compressed PNGs of every block kind pass", "[image_check]") {
  // Fixed codes: what zlib makes of four zero bytes.
  const Bytes fixed = {0x78, 0x9C, 0x63, 0x60, 0x60, 0x60, 0x00, 0x00, 0x00, 0x04, 0x00, 0x01};
  CHECK_NOTHROW(check_image(bytes_of("\x89PNG\r\n\x1A\n") + png_header(3, 1, 8, 0) +
                            png_chunk("IDAT", fixed) + png_chunk("IEND", {})));
  CHECK_NOTHROW(check_image(to_png(gradient(300, 200))));
}

TEST_CASE("a progressive scan of impossible parameters is refused", "[image_check]") {
  Bytes jpeg = progressive_jpeg();
  const std::size_t scan = find_marker(jpeg, 0xDA);
  jpeg[scan + 2 + jpeg[scan + 3] - 1] = 0xB0;  // refines bit 11 to bit 0
  CHECK(refusal_of(jpeg).reason.find("no progressive JPEG") != std::string::npos);
}
