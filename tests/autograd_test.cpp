#include <set>
#include <type_traits>

#include <whisker/core/ops.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {
namespace {

Tensor leaf(double value) {
  return Tensor::full({1}, value, Dtype::float64).set_requires_grad();
}

/// y = x with a backward that counts its calls.
Tensor counted(const Tensor& x, int& calls) {
  return record(x.detach(), "counted", {x},
                [&calls](const Tensor& dy, const NodePtr&) -> std::vector<Tensor> {
                  ++calls;
                  return {dy};
                });
}

bool mentions(const std::string& message, const std::string& part) {
  INFO(message);
  return message.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("backward gives the gradients of all leaves", "[autograd]") {
  Tensor x = leaf(3.0), y = leaf(4.0);
  const Tensor constant = Tensor::full({1}, 10.0, Dtype::float64);
  (x * x * y + constant * x).backward();
  CHECK(x.grad().item() == 2.0 * 3.0 * 4.0 + 10.0);
  CHECK(y.grad().item() == 9.0);
  CHECK_FALSE(constant.grad().defined());
  CHECK_FALSE(x.grad().requires_grad());
}

TEST_CASE("gradients accumulate over backward passes until they are taken away", "[autograd]") {
  Tensor x = leaf(3.0);
  (x * x).backward();
  (x * x).backward();
  CHECK(x.grad().item() == 12.0);
  x.set_grad(Tensor());
  CHECK_FALSE(x.grad().defined());
  (x * x).backward();
  CHECK(x.grad().item() == 6.0);
}

TEST_CASE("a value used many times gets the sum of the gradients", "[autograd]") {
  Tensor x = leaf(2.0);
  const Tensor twice = x + x;
  const Tensor diamond = twice * x + twice;  // 2 x^2 + 2 x
  (diamond * diamond).backward();
  CHECK(x.grad().item() == 2.0 * (8.0 + 4.0) * (8.0 + 2.0));
}

TEST_CASE("a tensor saved by its handle and by its views is one value", "[autograd]") {
  Tensor x = random_tensor({2, 3}, Dtype::float64).set_requires_grad();
  (sum(reshape(x, {6}) * reshape(x, {6})) + sum(slice(x, 0, 1))).backward();
  Array expected = to_array(2.0 * x.detach());
  for (int i = 0; i < 3; ++i)
    expected[i] += 1.0;
  CHECK(mismatch(x.grad(), expected, elementwise_tolerance(Dtype::float64)) == "");
}

TEST_CASE("adding to a gradient in place changes nobody else's", "[autograd]") {
  // add hands one and the same dy to both of its inputs.
  Tensor a = random_tensor({3}).set_requires_grad(), b = random_tensor({3}).set_requires_grad();
  sum(a + b).backward();
  CHECK(a.grad().storage() != b.grad().storage());
  sum(2.0 * a).backward();
  CHECK(mismatch(a.grad(), Array({3}, 3.0), kExact) == "");
  CHECK(mismatch(b.grad(), Array({3}, 1.0), kExact) == "");

  // A handle or a view that somebody took does not change under his hands.
  const Tensor held = a.grad();
  sum(a).backward();
  CHECK(mismatch(held, Array({3}, 3.0), kExact) == "");
  const Tensor view = b.grad().view({1, 3});
  sum(b).backward();
  CHECK(mismatch(view, Array({1, 3}, 1.0), kExact) == "");
  CHECK(mismatch(b.grad(), Array({3}, 2.0), kExact) == "");

  // Nor does a gradient that was set from outside.
  const Tensor given = Tensor::full({3}, 5.0);
  a.set_grad(given);
  sum(a).backward();
  CHECK(mismatch(given, Array({3}, 5.0), kExact) == "");
  CHECK(mismatch(a.grad(), Array({3}, 6.0), kExact) == "");
}

TEST_CASE("every gradient owns its memory, so that clipping in place scales each once",
          "[autograd]") {
  const auto scaled_once = [](const Tensors& leaves, const std::vector<double>& expected) {
    std::set<const Storage*> buffers;
    for (const Tensor& leaf : leaves)
      buffers.insert(leaf.grad().storage().get());
    CHECK(buffers.size() == leaves.size());
    for (const Tensor& leaf : leaves) {
      Tensor gradient = leaf.grad();
      gradient.copy_from(0.5 * gradient);
    }
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      INFO("leaf " << i);
      CHECK(mismatch(leaves[i].grad(), Array(leaves[i].shape(), 0.5 * expected[i]), kExact) == "");
    }
  };
  const auto fresh = [](const Shape& shape = {2, 2}) {
    return Tensor::full(shape, 3.0).set_requires_grad();
  };
  SECTION("of two tensors that are added, by one operator or several") {
    const Tensors x{fresh(), fresh(), fresh()};
    sum(x[0] + x[1] + x[2]).backward();
    scaled_once(x, {1.0, 1.0, 1.0});
  }
  SECTION("of a tensor that is added to itself") {
    const Tensors x{fresh()};
    sum(x[0] + x[0]).backward();
    scaled_once(x, {2.0});
  }
  SECTION("of tensors whose gradients are views of one buffer") {
    const Tensors x{fresh(), fresh({4}), fresh()};
    sum(reshape(x[0], {4}) + x[1] + reshape(x[2] - x[0].detach(), {4})).backward();
    scaled_once(x, {1.0, 1.0, 1.0});
  }
  SECTION("of scalars that are the loss's terms, and of the loss itself") {
    const Tensors x{fresh({1}), fresh({1})};
    (x[0] + x[1]).backward();
    scaled_once(x, {1.0, 1.0});
    Tensor loss = fresh({1});
    loss.backward();
    CHECK(loss.grad().item() == 1.0);
  }
  SECTION("of tensors that are broadcast or summed") {
    const Tensors x{fresh({2}), fresh({1, 2})};
    sum(broadcast_to(x[0], {1, 2}) + x[1]).backward();
    scaled_once(x, {1.0, 1.0});
  }
  SECTION("after a second backward pass") {
    const Tensors x{fresh(), fresh()};
    for (int pass = 0; pass < 2; ++pass)
      sum(x[0] + x[1]).backward();
    scaled_once(x, {2.0, 2.0});
  }
  SECTION("where the graph is kept or recorded") {
    for (const BackwardOptions options :
         {BackwardOptions{.retain_graph = true}, BackwardOptions{.create_graph = true}}) {
      const Tensors x{fresh(), fresh()};
      const Tensor loss = sum(x[0] + x[1]);
      loss.backward(options);
      scaled_once(x, {1.0, 1.0});
      if (options.retain_graph) loss.backward();
    }
  }
  SECTION("where one tensor is set as the gradient of two") {
    Tensors x{fresh(), fresh()};
    const Tensor given = Tensor::full({2, 2}, 8.0);
    for (Tensor& leaf : x)
      leaf.set_grad(given);
    scaled_once(x, {8.0, 8.0});
    CHECK(mismatch(given, Array({2, 2}, 8.0), kExact) == "");
  }
  SECTION("of what gradients() returns, for one input given twice too") {
    const Tensor a = fresh(), b = fresh();
    for (const bool recorded : {false, true}) {
      const Tensors found = gradients(sum(a + b), {a, b, a}, {.create_graph = recorded});
      CHECK(found[0].storage() != found[1].storage());
      CHECK(found[0].storage() != found[2].storage());
      CHECK(found[1].storage() != found[2].storage());
      for (const Tensor& gradient : found)
        CHECK(mismatch(gradient, Array({2, 2}, 1.0), kExact) == "");
    }
  }
}

TEST_CASE("a gradient that nobody else can see is not copied", "[autograd]") {
  Tensor x = random_tensor({3}).set_requires_grad();
  const std::byte* made = nullptr;
  const Tensor y = record(Tensor::zeros({1}), "own", {x},
                          [&made](const Tensor&, const NodePtr&) -> std::vector<Tensor> {
                            const Tensor dx = Tensor::full({3}, 7.0);
                            made = dx.raw_data();
                            return {dx};
                          });
  y.backward({.retain_graph = true});
  CHECK(x.grad().raw_data() == made);
  const Tensors found = gradients(y, {x});
  CHECK(found[0].raw_data() == made);
  x.set_grad(Tensor::full({3}, 1.0));
  Tensor fresh = Tensor::full({3}, 2.0);
  const std::byte* given = fresh.raw_data();
  x.set_grad(std::move(fresh));
  CHECK(x.grad().raw_data() == given);
}

TEST_CASE("a recorded copy of a shared gradient can be differentiated", "[autograd]") {
  // d/dx of (dx + dy) where both gradients of add are one tensor: 2 a for each.
  Tensor x = leaf(3.0), a = leaf(5.0);
  const Tensor y = leaf(2.0);
  const Tensors found = gradients(a * a * (x + y), {x, y}, {.create_graph = true});
  CHECK(gradients(found[0] + found[1], {a}).front().item() == 2.0 * 2.0 * 5.0);
}

// x.grad() = g would change a handle that is gone at once.
static_assert(!std::is_assignable_v<decltype(std::declval<Tensor&>().grad()), Tensor>);
static_assert(!std::is_assignable_v<Tensor, const Tensor&>);
static_assert(std::is_assignable_v<Tensor&, Tensor> &&
              std::is_assignable_v<Tensor&, const Tensor&>);

TEST_CASE("gradients of what does not depend on an input are zeros, in every order", "[autograd]") {
  Tensor x = random_tensor({3}, Dtype::float64).set_requires_grad();
  Tensor y = random_tensor({3}, Dtype::float64).set_requires_grad();
  const auto zeros = [](const Tensor& gradient) {
    return mismatch(gradient, Array({3}), kExact) == "";
  };
  // Linear in x: the first derivative is a constant, and depends on nothing.
  const Tensor first = gradients(sum(2.0 * x), {x}, {.create_graph = true}).front();
  CHECK(mismatch(first, Array({3}, 2.0), kExact) == "");
  const Tensors second = gradients(sum(square(first)), {x, y}, {.create_graph = true});
  CHECK(zeros(second[0]));
  CHECK(zeros(second[1]));
  CHECK(zeros(gradients(sum(second[0]), {x}).front()));
  // Piecewise linear functions, and one input of two.
  CHECK(zeros(
      gradients(sum(gradients(sum(relu(x)), {x}, {.create_graph = true}).front()), {x}).front()));
  const Tensor mixed = gradients(sum(x * y), {x}, {.create_graph = true}).front();
  const Tensors of_mixed = gradients(sum(mixed), {x, y});
  CHECK(zeros(of_mixed[0]));
  CHECK(mismatch(of_mixed[1], Array({3}, 1.0), kExact) == "");
  CHECK(zeros(gradients(Tensor::full({1}, 4.0, Dtype::float64), {x}).front()));
  // Whoever asks for the gradient of a frozen tensor is told.
  y.set_requires_grad(false);
  CHECK(mentions(message_of([&] { gradients(sum(x * y), {y}); }), "does not require"));
  CHECK(shape_error_lacks({"gradients", "[3]"}, [&] { gradients(x * x, {x}); }) == "");
}

TEST_CASE("one gradient that flows to several places inside a graph stays whole", "[autograd]") {
  // dy of both sums is the same tensor, and each branch adds its own to it.
  Tensor x = random_tensor({4}, Dtype::float64).set_requires_grad();
  const Tensor p = 2.0 * x, q = 3.0 * x;
  const Tensor s = p + q;
  sum(s + p + s + q + reshape(reshape(s, {2, 2}), {4})).backward();
  CHECK(mismatch(x.grad(), Array({4}, 3 * 5.0 + 2.0 + 3.0), kExact) == "");
}

TEST_CASE("detach cuts the graph and shares the elements", "[autograd]") {
  Tensor x = leaf(3.0);
  (x * x.detach()).backward();
  CHECK(x.grad().item() == 3.0);
  CHECK(x.detach().storage() == x.storage());
  CHECK_FALSE(x.detach().requires_grad());
}

TEST_CASE("nothing is recorded under NoGrad, which nests and ends with its scope", "[autograd]") {
  Tensor x = leaf(3.0);
  {
    const NoGrad outer;
    CHECK_FALSE(grad_enabled());
    {
      const GradMode inner(true);
      CHECK((x * x).requires_grad());
    }
    const Tensor y = x * x;
    CHECK_FALSE(y.requires_grad());
    CHECK(mentions(message_of([&] { y.backward(); }), "NoGrad"));
  }
  CHECK(grad_enabled());
  CHECK((x * x).requires_grad());
}

TEST_CASE("a graph is free after backward, unless it is retained", "[autograd]") {
  Tensor x = leaf(3.0);
  const Tensor y = x * x;
  y.backward({.retain_graph = true});
  y.backward();
  CHECK(x.grad().item() == 12.0);
  CHECK(mentions(message_of([&] { y.backward(); }), "retain_graph"));
  CHECK(mentions(message_of([&] { (y * 2.0).backward(); }), "mul: backward ran through"));
  CHECK(x.grad().item() == 12.0);
}

TEST_CASE("backward lets go of what the forward pass saved", "[autograd]") {
  Tensor x = leaf(3.0);
  const Tensor kept = Tensor::full({1}, 2.0, Dtype::float64);
  const Tensor y = x * kept;
  CHECK_FALSE(kept.is_sole_owner());
  y.backward();
  CHECK(kept.is_sole_owner());
}

TEST_CASE("create_graph gives gradients of gradients", "[autograd]") {
  Tensor x = leaf(2.0);
  const Tensor y = x * x * x;
  const Tensor first = gradients(y, {x}, {.create_graph = true}).front();
  CHECK(first.item() == 12.0);
  const Tensor second = gradients(first, {x}, {.create_graph = true}).front();
  CHECK(second.item() == 12.0);
  CHECK(gradients(second, {x}).front().item() == 6.0);
  CHECK_FALSE(x.grad().defined());

  // The same by backward(), as WGAN-GP's penalty does it: d/dx (dy/dx)^2 = 2 * 12 * 12.
  const Tensor slope = gradients(x * x * x, {x}, {.create_graph = true}).front();
  (slope * slope).backward();
  CHECK(x.grad().item() == 288.0);
}

TEST_CASE("gradients() collects for the inputs asked for and nobody else", "[autograd]") {
  Tensor x = leaf(3.0), y = leaf(5.0), unused = leaf(1.0);
  const Tensor h = x * y;
  const Tensor loss = h * h * y;
  const Tensors found = gradients(loss, {h, y, unused}, {.retain_graph = true});
  CHECK(found[0].item() == 2.0 * 15.0 * 5.0);
  CHECK(found[1].item() == 15.0 * 15.0 + 2.0 * 15.0 * 5.0 * 3.0);
  CHECK(found[2].item() == 0.0);
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(y.grad().defined());
  CHECK(gradients(loss, {loss}).front().item() == 1.0);
  const Tensor constant = Tensor::zeros({1}, Dtype::float64);
  CHECK(mentions(message_of([&] { gradients(x * x, {constant}); }), "does not require"));
}

TEST_CASE("gradients() does not run through what lies behind its inputs", "[autograd]") {
  int behind = 0, beside = 0, between = 0;
  Tensor x = leaf(3.0), w = leaf(2.0);
  const Tensor h = counted(x, behind);
  const Tensor loss = counted(h, between) * counted(w, beside);
  CHECK(gradients(loss, {h}).front().item() == 2.0);
  CHECK(between == 1);
  CHECK(behind == 0);
  CHECK(beside == 0);
  // So h's own graph is still whole.
  h.backward();
  CHECK(behind == 1);
  CHECK(x.grad().item() == 1.0);
}

TEST_CASE("a frozen leaf gets no gradient and its branch is not run", "[autograd]") {
  int calls = 0;
  Tensor x = leaf(3.0), w = leaf(2.0);
  w.set_requires_grad(false);
  // Nothing that depends on w alone is part of the graph.
  CHECK_FALSE((w * w).requires_grad());
  (counted(x, calls) * (w * w)).backward();
  CHECK(calls == 1);
  CHECK(x.grad().item() == 4.0);
  CHECK_FALSE(w.grad().defined());
  w.set_requires_grad();
  (x * w).backward();
  CHECK(w.grad().item() == 3.0);
}

TEST_CASE("freezing keeps the gradient that was collected before", "[autograd]") {
  Tensor w = leaf(2.0);
  (w * w).backward();
  w.set_requires_grad(false);
  CHECK(w.grad().item() == 4.0);
}

TEST_CASE("only a leaf can be switched", "[autograd]") {
  Tensor x = leaf(3.0);
  Tensor y = x * x;
  CHECK(mentions(message_of([&] { y.set_requires_grad(false); }), "result of mul"));
  y.backward();
  CHECK(mentions(message_of([&] { y.set_requires_grad(false); }), "result of mul"));
}

TEST_CASE("writing to a saved tensor before backward is an error", "[autograd]") {
  Tensor x = leaf(3.0);
  Tensor w = Tensor::full({1}, 2.0, Dtype::float64);
  const Tensor y = x * w;
  w.mutable_data<double>()[0] = 100.0;
  CHECK(mentions(message_of([&] { y.backward(); }), "written to since"));
  CHECK_FALSE(x.grad().defined());

  // Through a view, and of a result that backward needs.
  Tensor t = leaf(0.5);
  Tensor s = tanh(t);
  s.view({1, 1}).raw_mutable_data();
  CHECK(mentions(message_of([&] { s.backward(); }), "written to since"));

  // What nobody saved may be written to: add needs neither of its arguments.
  Tensor a = leaf(1.0), b = leaf(2.0);
  const Tensor sum_of_both = a + b;
  a.mutable_data<double>()[0] = 7.0;
  sum_of_both.backward();
  CHECK(a.grad().item() == 1.0);
}

TEST_CASE("backward starts from one element that depends on a leaf", "[autograd][errors]") {
  Tensor x = random_tensor({3}).set_requires_grad();
  CHECK(shape_error_lacks({"backward", "[3]"}, [&] { (x * x).backward(); }) == "");
  CHECK(mentions(message_of([] { sum(Tensor::zeros({3})).backward(); }), "does not depend"));
  CHECK_THROWS_AS(Tensor().backward(), Error);
}

TEST_CASE("an error inside backward leaves the thread as it was", "[autograd]") {
  Tensor x = leaf(1.0);
  const Tensor bad = record(
      x.detach(), "bad", {x},
      [](const Tensor&, const NodePtr&) -> std::vector<Tensor> { throw Error("bad: on purpose"); });
  CHECK_THROWS_AS(bad.backward(), Error);
  CHECK(grad_enabled());
  CHECK_THROWS_AS(gradients(bad, {x}), Error);
  (x * 3.0).backward();
  CHECK(x.grad().item() == 3.0);
}

TEST_CASE("a gradient of a wrong shape is caught where it arises", "[autograd]") {
  Tensor x = leaf(1.0);
  const Tensor bad =
      record(x.detach(), "bad", {x}, [](const Tensor&, const NodePtr&) -> std::vector<Tensor> {
        return {Tensor::zeros({2}, Dtype::float64)};
      });
  CHECK(shape_error_lacks({"[2]", "[1]"}, [&] { bad.backward(); }) == "");
}

TEST_CASE("a chain of 200,000 nodes does not overflow the stack", "[autograd]") {
  Tensor x = leaf(1.0);
  {
    Tensor y = x;
    for (int i = 0; i < 200'000; ++i)
      y = y + x;
    y.backward();
    CHECK(x.grad().item() == 200'001.0);
  }
  // Nor does the destruction of one that backward never ran through.
  Tensor y = x;
  for (int i = 0; i < 200'000; ++i)
    y = y * 1.0;
  y = Tensor();
  CHECK(x.requires_grad());
}

TEST_CASE("training a small net by gradients finds the answer", "[autograd]") {
  // Least squares with a known solution, by plain gradient descent.
  const Tensor x = random_tensor({32, 3}, Dtype::float64, 1);
  const Tensor truth = random_tensor({1, 3}, Dtype::float64, 2);
  const Tensor target = matmul(x, truth, {.transpose_b = true});
  Tensor w = Tensor::zeros({1, 3}, Dtype::float64).set_requires_grad();
  for (int step = 0; step < 300; ++step) {
    mean(square(dense(x, w, Tensor()) - target)).backward();
    const NoGrad no_grad;
    w.copy_from(w - w.grad());
    w.set_grad(Tensor());
  }
  CHECK(mismatch(w, to_array(truth), {1e-9, 0.0}) == "");
}

}  // namespace whisker::testing
