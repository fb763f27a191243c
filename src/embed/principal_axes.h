// Principal axes: the eigenvectors of a symmetric matrix, by Householder reduction to three
// diagonals and implicit QL steps. For matrices of up to a few thousand rows.
//
// Owns: values. Threads: pure. Errors: none; a matrix that is not finite gives axes that are not.
#pragma once

#include <cstddef>
#include <vector>

namespace headrace::embed {

struct PrincipalAxes {
  std::vector<double> values;  // eigenvalues, largest first
  // Row i: the eigenvector of values[i], of length 1; its largest component is positive, so that
  // the same matrix always gives the same axes.
  std::vector<double> axes;
};

// `matrix` is size x size, row-major, symmetric.
PrincipalAxes principal_axes(std::vector<double> matrix, size_t size);

}  // namespace headrace::embed
