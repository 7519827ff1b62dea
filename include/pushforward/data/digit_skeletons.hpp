// How the digits are written: for each a few ways, as strokes of a pen.
#pragma once

#include <array>
#include <span>

#include <pushforward/core/threads.hpp>

namespace pushforward::data::detail {

// What the pen does at a knot: go on smoothly, turn sharply, or leave the paper.
enum class Pen { smooth, corner, lift };

// A point that the pen passes: x to the right, y down, the digit about 1 high.
struct Knot {
  double x, y;
  Pen pen = Pen::smooth;
};

inline constexpr Knot zero_oval[] = {{.42, .02}, {.20, .10}, {.05, .42}, {.10, .80}, {.32, 1.0},
                                     {.55, .88}, {.66, .50}, {.58, .14}, {.40, .01}, {.30, .05, Pen::lift}};
inline constexpr Knot zero_round[] = {{.50, .06}, {.26, .03}, {.05, .25}, {.01, .60}, {.18, .93},
                                      {.46, 1.0}, {.72, .80}, {.78, .42}, {.62, .10}, {.44, .04, Pen::lift}};
inline constexpr Knot zero_crossed[] = {{.56, .00}, {.30, .12}, {.10, .42}, {.12, .82},           {.36, .99},
                                        {.60, .80}, {.67, .42}, {.50, .12}, {.24, .12, Pen::lift}};

inline constexpr Knot one_plain[] = {{.34, .00}, {.33, .33}, {.32, .66}, {.31, 1.0, Pen::lift}};
inline constexpr Knot one_flag[] = {{.14, .26}, {.26, .14}, {.38, .00, Pen::corner},
                                    {.38, .33}, {.37, .66}, {.36, 1.0, Pen::lift}};
inline constexpr Knot one_base[] = {{.16, .24}, {.28, .14}, {.38, .00, Pen::corner}, {.38, .50}, {.38, .99, Pen::lift},
                                    {.12, 1.0}, {.38, .99}, {.64, .98, Pen::lift}};

inline constexpr Knot two_plain[] = {
    {.08, .20}, {.24, .03},           {.47, .03}, {.58, .22}, {.50, .46}, {.30, .74}, {.04, .97, Pen::corner},
    {.36, .94}, {.70, .97, Pen::lift}};
inline constexpr Knot two_looped[] = {{.08, .18}, {.26, .01}, {.52, .06}, {.56, .32}, {.40, .64},           {.18, .92},
                                      {.03, .90}, {.08, .75}, {.28, .78}, {.48, .94}, {.72, .93, Pen::lift}};
inline constexpr Knot two_swan[] = {{.14, .26}, {.20, .08}, {.40, .00},           {.57, .12},
                                    {.55, .36}, {.38, .62}, {.14, .86},           {.10, .98, Pen::corner},
                                    {.30, .90}, {.50, .98}, {.74, .90, Pen::lift}};

inline constexpr Knot three_round[] = {
    {.06, .14}, {.24, .01}, {.50, .06}, {.53, .26}, {.40, .42},           {.22, .48, Pen::corner},
    {.46, .52}, {.62, .70}, {.52, .92}, {.28, 1.0}, {.03, .90, Pen::lift}};
inline constexpr Knot three_flat[] = {
    {.08, .04}, {.32, .03}, {.58, .02, Pen::corner}, {.42, .22}, {.27, .40, Pen::corner}, {.50, .45}, {.64, .66},
    {.54, .91}, {.28, 1.0}, {.04, .92, Pen::lift}};
inline constexpr Knot three_looped[] = {{.10, .18}, {.26, .02}, {.50, .06}, {.52, .28},
                                        {.34, .46}, {.24, .50}, {.26, .42}, {.44, .47},
                                        {.60, .66}, {.52, .92}, {.26, .99}, {.04, .84, Pen::lift}};

inline constexpr Knot four_open[] = {
    {.12, .04}, {.08, .26}, {.06, .48}, {.20, .56},           {.42, .53}, {.62, .48, Pen::lift},
    {.60, .00}, {.57, .34}, {.54, .66}, {.52, 1.0, Pen::lift}};
inline constexpr Knot four_closed[] = {
    {.50, .00}, {.28, .30}, {.04, .63, Pen::corner}, {.38, .63}, {.74, .61, Pen::lift}, {.51, .02},
    {.50, .35}, {.49, .68}, {.48, 1.0, Pen::lift}};
inline constexpr Knot four_round[] = {{.14, .02}, {.06, .28}, {.12, .50},
                                      {.32, .50}, {.52, .34}, {.60, .06, Pen::corner},
                                      {.58, .38}, {.54, .70}, {.50, 1.0, Pen::lift}};

inline constexpr Knot five_two_strokes[] = {
    {.20, .04}, {.16, .22}, {.13, .42, Pen::corner}, {.34, .37}, {.55, .50}, {.58, .74},
    {.42, .95}, {.20, 1.0}, {.02, .90, Pen::lift},   {.20, .04}, {.44, .04}, {.70, .00, Pen::lift}};
inline constexpr Knot five_one_stroke[] = {
    {.68, .01}, {.46, .03}, {.23, .05, Pen::corner}, {.18, .22}, {.14, .42, Pen::corner}, {.36, .38}, {.56, .53},
    {.56, .78}, {.38, .97}, {.04, .94, Pen::lift}};
inline constexpr Knot five_swift[] = {{.70, .00}, {.50, .06}, {.30, .06}, {.22, .22}, {.22, .38},
                                      {.38, .48}, {.50, .62}, {.48, .84}, {.30, .99}, {.04, .92, Pen::lift}};

inline constexpr Knot six_curved[] = {{.54, .00}, {.32, .16}, {.14, .40}, {.06, .68}, {.14, .92},           {.34, 1.0},
                                      {.53, .86}, {.54, .66}, {.38, .56}, {.20, .64}, {.11, .80, Pen::lift}};
inline constexpr Knot six_straight[] = {{.34, .00}, {.20, .28}, {.08, .56}, {.08, .84}, {.28, 1.0},
                                        {.52, .90}, {.58, .70}, {.44, .58}, {.24, .62}, {.10, .76, Pen::lift}};
inline constexpr Knot six_open[] = {{.42, .01}, {.20, .22}, {.06, .52}, {.08, .84}, {.28, .99},
                                    {.50, .92}, {.58, .74}, {.46, .62}, {.28, .68}, {.22, .80, Pen::lift}};

inline constexpr Knot seven_plain[] = {{.04, .10}, {.30, .07}, {.64, .04, Pen::corner},
                                       {.48, .34}, {.36, .66}, {.28, 1.0, Pen::lift}};
inline constexpr Knot seven_round[] = {{.02, .22}, {.10, .06}, {.30, .06}, {.52, .04},
                                       {.62, .10}, {.52, .38}, {.38, .68}, {.28, 1.0, Pen::lift}};
inline constexpr Knot seven_barred[] = {{.04, .08}, {.32, .06}, {.64, .02, Pen::corner},
                                        {.50, .34}, {.38, .66}, {.30, 1.0, Pen::lift},
                                        {.20, .53}, {.42, .50}, {.64, .48, Pen::lift}};

inline constexpr Knot eight_plain[] = {{.56, .12}, {.38, .00}, {.18, .10},           {.18, .28}, {.34, .44},
                                       {.52, .62}, {.54, .84}, {.34, 1.0},           {.12, .88}, {.14, .66},
                                       {.36, .46}, {.56, .28}, {.58, .10, Pen::lift}};
inline constexpr Knot eight_stacked[] = {{.36, .45}, {.16, .34}, {.16, .10},           {.36, .01}, {.56, .12},
                                         {.54, .34}, {.36, .45}, {.12, .60},           {.10, .86}, {.34, 1.0},
                                         {.60, .86}, {.58, .60}, {.34, .46, Pen::lift}};
inline constexpr Knot eight_slender[] = {{.58, .06}, {.40, .00}, {.24, .14}, {.28, .34},
                                         {.42, .52}, {.48, .74}, {.34, .98}, {.16, .90},
                                         {.20, .70}, {.38, .48}, {.56, .26}, {.62, .02, Pen::lift}};

inline constexpr Knot nine_straight[] = {
    {.56, .10}, {.36, .02}, {.14, .12},           {.10, .31}, {.25, .42}, {.46, .32}, {.58, .08, Pen::corner},
    {.56, .38}, {.53, .70}, {.50, 1.0, Pen::lift}};
inline constexpr Knot nine_curved[] = {
    {.56, .16}, {.38, .01}, {.14, .10}, {.08, .30},           {.24, .44}, {.48, .36}, {.57, .14, Pen::corner},
    {.60, .44}, {.54, .74}, {.36, .96}, {.12, .96, Pen::lift}};
inline constexpr Knot nine_swift[] = {{.52, .04}, {.30, .03}, {.12, .20}, {.16, .38}, {.36, .34},
                                      {.54, .12}, {.54, .10}, {.48, .38}, {.40, .70}, {.32, 1.0, Pen::lift}};

// A way to write a digit, and how many write it so.
struct Skeleton {
  std::span<const Knot> knots;
  double share;
};

inline constexpr std::array<std::array<Skeleton, 3>, 10> skeletons = {{
    {{{zero_oval, .45}, {zero_round, .35}, {zero_crossed, .20}}},
    {{{one_plain, .82}, {one_flag, .10}, {one_base, .08}}},
    {{{two_plain, .40}, {two_looped, .40}, {two_swan, .20}}},
    {{{three_round, .60}, {three_flat, .15}, {three_looped, .25}}},
    {{{four_open, .55}, {four_closed, .20}, {four_round, .25}}},
    {{{five_two_strokes, .45}, {five_one_stroke, .30}, {five_swift, .25}}},
    {{{six_curved, .40}, {six_straight, .35}, {six_open, .25}}},
    {{{seven_plain, .50}, {seven_round, .30}, {seven_barred, .20}}},
    {{{eight_plain, .50}, {eight_stacked, .20}, {eight_slender, .30}}},
    {{{nine_straight, .50}, {nine_curved, .20}, {nine_swift, .30}}},
}};

}  // namespace pushforward::data::detail
