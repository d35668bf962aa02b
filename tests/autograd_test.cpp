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
  CHECK(a.grad().storage() == b.grad().storage());
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
