// Draws images with a VAE or a GAN of the zoo, by the C++ API of ONNX Runtime, 1.13 or later.
//
//   g++ -std=c++17 -O2 draw.cpp -I ONNXRUNTIME/include -L ONNXRUNTIME/lib -lonnxruntime -o draw
//   ./draw BUNDLE digits.pgm [SEED] [LABEL]

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr int64_t kSide = 4;  // images in a row and in a column
constexpr int64_t kCount = kSide * kSide;

// Standard normal numbers, the same as numpy.random.RandomState(seed).standard_normal gives.
std::vector<float> Normal(int64_t size, uint32_t seed) {
  std::mt19937 random(seed);
  auto uniform = [&random] {
    const double high = random() >> 5;
    const double low = random() >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
  };
  std::vector<float> numbers;
  while (static_cast<int64_t>(numbers.size()) < size) {
    double x, y, square;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square == 0);
    const double scale = std::sqrt(-2 * std::log(square) / square);
    numbers.push_back(static_cast<float>(scale * y));
    numbers.push_back(static_cast<float>(scale * x));
  }
  numbers.resize(size);
  return numbers;
}

class Graph {
 public:
  Graph(Ort::Env& environment, const std::filesystem::path& path)
      : session_(environment, path.c_str(), Ort::SessionOptions{}) {
    Ort::AllocatorWithDefaultOptions allocator;
    for (size_t at = 0; at < session_.GetInputCount(); ++at)
      inputs_.push_back(session_.GetInputNameAllocated(at, allocator).get());
  }

  // The place of an input among the graph's, or -1.
  int Find(const std::string& name) const {
    const auto found = std::find(inputs_.begin(), inputs_.end(), name);
    return found == inputs_.end() ? -1 : static_cast<int>(found - inputs_.begin());
  }

  // How many numbers one image is made from: z is (batch, size).
  int64_t LatentSize() const {
    return session_.GetInputTypeInfo(Find("z")).GetTensorTypeAndShapeInfo().GetShape().at(1);
  }

  std::vector<Ort::Value> Run(std::vector<float>* z, std::vector<int64_t>* labels,
                              const std::vector<const char*>& outputs) {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    std::vector<const char*> names;
    std::vector<Ort::Value> values;
    if (z) {
      const int64_t shape[] = {kCount, static_cast<int64_t>(z->size()) / kCount};
      names.push_back("z");
      values.push_back(Ort::Value::CreateTensor<float>(memory, z->data(), z->size(), shape, 2));
    }
    if (labels && Find("labels") >= 0) {
      names.push_back("labels");
      values.push_back(
          Ort::Value::CreateTensor<int64_t>(memory, labels->data(), labels->size(), &kCount, 1));
    }
    return session_.Run(Ort::RunOptions{nullptr}, names.data(), values.data(), values.size(),
                        outputs.data(), outputs.size());
  }

 private:
  Ort::Session session_;
  std::vector<std::string> inputs_;
};

// Writes images (count, height, width, channels) as one PGM (grey) or PPM (colour) file.
void Write(const Ort::Value& images, const std::string& path) {
  const auto shape = images.GetTensorTypeAndShapeInfo().GetShape();
  const int64_t height = shape[1], width = shape[2], channels = shape[3];
  const float* values = images.GetTensorData<float>();
  std::string sheet(kCount * height * width * channels, '\0');
  const int64_t line = width * channels;
  for (int64_t image = 0; image < kCount; ++image)
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < line; ++x) {
        const float value = std::clamp(values[(image * height + y) * line + x], 0.0f, 1.0f);
        const int64_t row = image / kSide * height + y;
        sheet[(row * kSide + image % kSide) * line + x] =
            static_cast<char>(static_cast<uint8_t>(std::nearbyint(value * 255)));
      }
  std::ofstream file(path, std::ios::binary);
  file << (channels == 1 ? "P5 " : "P6 ") << kSide * width << ' ' << kSide * height << " 255\n";
  file << sheet;
}

void Draw(const std::filesystem::path& bundle, const std::string& out, uint32_t seed,
          int64_t label) {
  Ort::Env environment(ORT_LOGGING_LEVEL_WARNING, "draw");
  const auto gan = bundle / "generator.onnx";
  Graph painter(environment, std::filesystem::exists(gan) ? gan : bundle / "decoder.onnx");
  std::vector<float> z = Normal(kCount * painter.LatentSize(), seed);
  std::vector<int64_t> labels(kCount, label);
  if (std::filesystem::exists(bundle / "prior.onnx")) {  // a VAE with labels has a prior for each
    Graph prior(environment, bundle / "prior.onnx");
    const auto found = prior.Run(nullptr, &labels, {"mean", "log_variance"});
    const float* mean = found[0].GetTensorData<float>();
    const float* log_variance = found[1].GetTensorData<float>();
    for (size_t at = 0; at < z.size(); ++at)
      z[at] = mean[at] + std::exp(log_variance[at] / 2) * z[at];
  }
  Write(painter.Run(&z, &labels, {"image"})[0], out);
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    std::cerr << "usage: draw BUNDLE OUT.pgm [SEED] [LABEL]\n";
    return 2;
  }
  try {
    Draw(words[1], words[2], count > 3 ? std::stoul(words[3]) : 0,
         count > 4 ? std::stoll(words[4]) : 0);
  } catch (const std::exception& error) {
    std::cerr << "draw: " << error.what() << '\n';
    return 1;
  }
}
