#include "embed/principal_axes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace headrace::embed {
namespace {

// A symmetric matrix reduced to its diagonal and the one beside it: matrix = Q T Q^T.
struct Tridiagonal {
  std::vector<double> diagonal;
  std::vector<double> beside;         // beside[i] couples i and i + 1
  std::vector<double> rotation_rows;  // Q transposed: row i is column i of Q
};

// The reflection that turns `tail` into a multiple of the first unit vector: I - factor v v^T.
struct Reflection {
  std::vector<double> v;
  double factor = 0;
  double image = 0;  // the first component afterwards; the others are zero
};

Reflection reflect(const double* tail, size_t count) {
  Reflection result{std::vector<double>(tail, tail + count), 0, tail[0]};
  double rest = 0;
  for (size_t i = 1; i < count; ++i) rest += tail[i] * tail[i];
  if (rest == 0) return result;
  const double length = std::sqrt(rest + tail[0] * tail[0]);
  // Away from the first component's sign: nothing cancels.
  result.image = tail[0] > 0 ? -length : length;
  result.v[0] -= result.image;
  result.factor = 2 / (rest + result.v[0] * result.v[0]);
  return result;
}

Tridiagonal reduce(std::vector<double>& a, size_t n) {
  Tridiagonal t{std::vector<double>(n), std::vector<double>(n, 0.0),
                std::vector<double>(n * n, 0.0)};
  std::vector<Reflection> reflections(n);
  std::vector<double> product(n);
  for (size_t k = 0; k + 2 < n; ++k) {
    const size_t first = k + 1;
    const size_t count = n - first;
    Reflection& h = reflections[k] = reflect(a.data() + k * n + first, count);
    t.beside[k] = h.image;
    if (h.factor == 0) continue;
    // A := H A H with w = factor * A v - (factor^2 / 2)(v^T A v) v: A - v w^T - w v^T.
    double across = 0;
    for (size_t i = 0; i < count; ++i) {
      const double* row = a.data() + (first + i) * n + first;
      double sum = 0;
      for (size_t j = 0; j < count; ++j) sum += row[j] * h.v[j];
      product[i] = h.factor * sum;
      across += product[i] * h.v[i];
    }
    for (size_t i = 0; i < count; ++i) product[i] -= h.factor / 2 * across * h.v[i];
    for (size_t i = 0; i < count; ++i) {
      double* row = a.data() + (first + i) * n + first;
      for (size_t j = 0; j < count; ++j) row[j] -= h.v[i] * product[j] + product[i] * h.v[j];
    }
  }
  if (n >= 2) t.beside[n - 2] = a[(n - 2) * n + n - 1];
  for (size_t i = 0; i < n; ++i) t.diagonal[i] = a[i * n + i];
  // Q = H0 H1 …, from the last to the first, so that each works on the small corner only. Rows of
  // the transposed Q are columns of Q: Q := H Q reflects each of them.
  for (size_t i = 0; i < n; ++i) t.rotation_rows[i * n + i] = 1;
  for (size_t k = n; k-- > 0;) {
    const Reflection& h = reflections[k];
    if (h.factor == 0) continue;
    const size_t first = k + 1;
    for (size_t column = first; column < n; ++column) {
      double* q = t.rotation_rows.data() + column * n + first;
      double sum = 0;
      for (size_t j = 0; j < h.v.size(); ++j) sum += h.v[j] * q[j];
      sum *= h.factor;
      for (size_t j = 0; j < h.v.size(); ++j) q[j] -= sum * h.v[j];
    }
  }
  return t;
}

void rotate(double* a, double* b, size_t n, double cosine, double sine) {
  for (size_t j = 0; j < n; ++j) {
    const double upper = a[j];
    const double lower = b[j];
    a[j] = cosine * upper - sine * lower;
    b[j] = sine * upper + cosine * lower;
  }
}

// One implicit QL step on the block [low, high]: a shift near an eigenvalue, chased upwards.
void ql_step(Tridiagonal& t, size_t n, size_t low, size_t high) {
  std::vector<double>& d = t.diagonal;
  std::vector<double>& e = t.beside;
  const double half = (d[low + 1] - d[low]) / (2 * e[low]);
  const double root = std::hypot(half, 1.0);
  double g = d[high] - d[low] + e[low] / (half + (half >= 0 ? root : -root));
  double sine = 1;
  double cosine = 1;
  double shifted = 0;
  for (size_t i = high; i-- > low;) {
    const double f = sine * e[i];
    const double b = cosine * e[i];
    const double r = std::hypot(f, g);
    e[i + 1] = r;
    if (r == 0) {  // the block falls apart here
      d[i + 1] -= shifted;
      e[high] = 0;
      return;
    }
    sine = f / r;
    cosine = g / r;
    g = d[i + 1] - shifted;
    const double s = (d[i] - g) * sine + 2 * cosine * b;
    shifted = sine * s;
    d[i + 1] = g + shifted;
    g = cosine * s - b;
    rotate(t.rotation_rows.data() + i * n, t.rotation_rows.data() + (i + 1) * n, n, cosine, sine);
  }
  d[low] -= shifted;
  e[low] = g;
  e[high] = 0;
}

void diagonalise(Tridiagonal& t, size_t n) {
  constexpr int kStepsMax = 60;  // three or so are usual; NaN must not loop for ever
  for (size_t low = 0; low < n; ++low) {
    for (int step = 0; step < kStepsMax; ++step) {
      size_t high = low;
      while (high + 1 < n) {
        const double size = std::abs(t.diagonal[high]) + std::abs(t.diagonal[high + 1]);
        if (std::abs(t.beside[high]) <= std::numeric_limits<double>::epsilon() * size) break;
        ++high;
      }
      if (high == low) break;
      ql_step(t, n, low, high);
    }
  }
}

}  // namespace

PrincipalAxes principal_axes(std::vector<double> matrix, size_t size) {
  Tridiagonal t = reduce(matrix, size);
  diagonalise(t, size);
  std::vector<size_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order,
                           [&](size_t a, size_t b) { return t.diagonal[a] > t.diagonal[b]; });
  PrincipalAxes result;
  result.axes.reserve(size * size);
  for (const size_t i : order) {
    result.values.push_back(t.diagonal[i]);
    const double* row = t.rotation_rows.data() + i * size;
    const double* largest = std::max_element(
        row, row + size, [](double a, double b) { return std::abs(a) < std::abs(b); });
    const double sign = size > 0 && *largest < 0 ? -1 : 1;
    for (size_t j = 0; j < size; ++j) result.axes.push_back(sign * row[j]);
  }
  return result;
}

}  // namespace headrace::embed
