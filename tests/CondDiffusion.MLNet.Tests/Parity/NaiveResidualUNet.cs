using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Tests.Parity;

/// <summary>
/// The network of <see cref="NetworkArchitecture.Residual"/> with two resolutions in evaluation mode, written down once
/// more: in double precision, for one image, with a loop for every sum.
/// </summary>
/// <param name="shape">The shape of the network.</param>
/// <param name="tensors">The values of each tensor, by name.</param>
internal sealed class NaiveResidualUNet(UNetShape shape, IReadOnlyDictionary<string, double[]> tensors)
{
    private const double Epsilon = 1e-5;
    private const int Heads = 4;

    /// <summary>
    /// Predicts from an image [C, H, W], half the logarithm of its signal-to-noise ratio, and a label.
    /// </summary>
    public double[] Predict(double[] image, double halfLogSnr, int? label)
    {
        var v = Embed(halfLogSnr, label);
        var (full, half) = (shape.Widths[0], shape.Widths[1]);

        var down = Block("down1", Unshuffle(new(shape.Channels, shape.Height, shape.Width, image)), full, v);
        var y = Block("bot1.0", Pool(down), half, v);
        y = Block("bot1.2", Attend("bot1.1", y), half, v);
        y = Block("up1", Concatenate(Upsample(y), down), full, v);
        return Shuffle(Convolve("out", y, 4 * shape.Channels, 1)).Values;
    }

    private double[] Embed(double halfLogSnr, int? label)
    {
        var size = shape.EmbeddingSize;
        var count = (size + 1) / 2;
        var v = new double[size];
        for (var i = 0; i < size; i++)
        {
            var fraction = i % count / (count - 1.0);
            var frequency = 0.25 * Math.Pow(32, fraction);
            v[i] = i < count ? Math.Sin(frequency * halfLogSnr) : Math.Cos(frequency * halfLogSnr);
            if (label is { } row) v[i] += tensors["label_emb.weight"][row * size + i];
        }

        v = [.. Multiply("emb.0", v).Select(Silu)];
        return [.. Multiply("emb.2", v).Select(Silu)];
    }

    private Map Block(string name, Map x, int outputs, double[] v)
    {
        var modulation = Multiply($"{name}.mod", v);
        var y = Normalize($"{name}.norm1", Convolve($"{name}.conv1", x, outputs, 3));
        y = y.Select((c, value) => Silu(value * (1 + Math.Tanh(modulation[c])) + modulation[outputs + c]));
        y = Normalize($"{name}.norm2", Convolve($"{name}.conv2", y, outputs, 3));
        var skip = x.Channels == outputs ? x : Convolve($"{name}.skip", x, outputs, 1);
        return y with { Values = [.. y.Values.Zip(skip.Values, (a, b) => a + b)] };
    }

    private Map Attend(string name, Map x)
    {
        var (weight, bias) = (tensors[$"{name}.norm.weight"], tensors[$"{name}.norm.bias"]);
        var pixels = x.Height * x.Width;
        var headSize = x.Channels / Heads;
        var rows = Enumerable.Range(0, pixels).Select(p => Row(x, p)).ToArray();
        var projected = rows.Select(row =>
        {
            var mean = row.Average();
            var deviation = Math.Sqrt(row.Average(value => (value - mean) * (value - mean)) + Epsilon);
            var normalized = row.Select((value, c) => (value - mean) / deviation * weight[c] + bias[c]);
            return Multiply($"{name}.qkv", [.. normalized]);
        }).ToArray();

        var result = new double[x.Values.Length];
        for (var p = 0; p < pixels; p++)
        {
            var attended = new double[x.Channels];
            for (var head = 0; head < x.Channels; head += headSize)
            {
                var scores = projected.Select(other => Math.Exp(
                    Enumerable.Range(head, headSize).Sum(c => projected[p][c] * other[x.Channels + c]) /
                    Math.Sqrt(headSize))).ToArray();
                for (var c = head; c < head + headSize; c++)
                {
                    attended[c] = scores.Zip(projected, (score, other) => score * other[2 * x.Channels + c]).Sum() /
                        scores.Sum();
                }
            }

            var output = Multiply($"{name}.out", attended);
            for (var c = 0; c < x.Channels; c++) result[c * pixels + p] = rows[p][c] + output[c];
        }

        return x with { Values = result };
    }

    private Map Convolve(string name, Map x, int outputs, int side)
    {
        var (weight, bias) = (tensors[$"{name}.weight"], tensors[$"{name}.bias"]);
        return Map.Create(outputs, x.Height, x.Width, (o, row, column) =>
        {
            var sum = bias[o];
            for (var c = 0; c < x.Channels; c++)
                for (var i = 0; i < side; i++)
                    for (var j = 0; j < side; j++)
                        sum += weight[((o * x.Channels + c) * side + i) * side + j]
                            * x[c, row + i - side / 2, column + j - side / 2];
            return sum;
        });
    }

    private Map Normalize(string name, Map x)
    {
        double Value(string tensor, int c) => tensors[$"{name}.{tensor}"][c];

        return x.Select((c, value) =>
            (value - Value("running_mean", c)) / Math.Sqrt(Value("running_var", c) + Epsilon) * Value("weight", c) +
            Value("bias", c));
    }

    private double[] Multiply(string name, double[] x)
    {
        var (weight, bias) = (tensors[$"{name}.weight"], tensors[$"{name}.bias"]);
        return [.. bias.Select((value, o) => value + x.Select((input, i) => weight[o * x.Length + i] * input).Sum())];
    }

    private static Map Unshuffle(Map x) => Map.Create(4 * x.Channels, x.Height / 2, x.Width / 2, (c, row, column) =>
        x[c / 4, 2 * row + c / 2 % 2, 2 * column + c % 2]);

    private static Map Shuffle(Map x) => Map.Create(x.Channels / 4, 2 * x.Height, 2 * x.Width, (c, row, column) =>
        x[4 * c + 2 * (row % 2) + column % 2, row / 2, column / 2]);

    private static Map Pool(Map x) => Map.Create(x.Channels, x.Height / 2, x.Width / 2, (c, row, column) => Math.Max(
        Math.Max(x[c, 2 * row, 2 * column], x[c, 2 * row, 2 * column + 1]),
        Math.Max(x[c, 2 * row + 1, 2 * column], x[c, 2 * row + 1, 2 * column + 1])));

    /// <summary>Doubles height and width: each new pixel is 3/4 of the one it lies in and 1/4 of the next.</summary>
    private static Map Upsample(Map x) => Map.Create(x.Channels, 2 * x.Height, 2 * x.Width, (c, row, column) =>
    {
        var (i, j) = (row / 2, column / 2);
        var nextRow = Math.Clamp(i + 2 * (row % 2) - 1, 0, x.Height - 1);
        var nextColumn = Math.Clamp(j + 2 * (column % 2) - 1, 0, x.Width - 1);
        return (9 * x[c, i, j] + 3 * x[c, nextRow, j] + 3 * x[c, i, nextColumn] + x[c, nextRow, nextColumn]) / 16;
    });

    private static Map Concatenate(Map a, Map b) =>
        new(a.Channels + b.Channels, a.Height, a.Width, [.. a.Values, .. b.Values]);

    private static double[] Row(Map x, int pixel) =>
        [.. Enumerable.Range(0, x.Channels).Select(c => x.Values[c * x.Height * x.Width + pixel])];

    private static double Silu(double value) => value / (1 + Math.Exp(-value));

    /// <summary>An activation, [C, H, W]. Outside of it everything is zero.</summary>
    private sealed record Map(int Channels, int Height, int Width, double[] Values)
    {
        public double this[int c, int row, int column] =>
            row < 0 || row >= Height || column < 0 || column >= Width ? 0 : Values[(c * Height + row) * Width + column];

        public static Map Create(int channels, int height, int width, Func<int, int, int, double> value) => new(
            channels, height, width,
            [
                .. Enumerable.Range(0, channels * height * width)
                    .Select(i => value(i / (height * width), i / width % height, i % width)),
            ]);

        public Map Select(Func<int, double, double> value) =>
            this with { Values = [.. Values.Select((old, i) => value(i / (Height * Width), old))] };
    }
}
