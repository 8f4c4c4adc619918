using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Model;

/// <summary>Compares generated pixels with closed forms and with loops that are written here from the papers.</summary>
[TestClass]
public sealed class ImageGeneratorTests
{
    private const int T = 1000;

    private static readonly UNetShape Shape = Tiny.Description.Network;

    /// <summary>Rows of two labels; the noise key of the first has an upper half.</summary>
    private static readonly Condition[] Rows = [new(1, new UInt128(5, 2), 2), new(0, 3, 2)];

    /// <summary>alpha_bar of the linear schedule of 1000 timesteps (Ho et al. 2020, section 4).</summary>
    private static readonly double[] AlphaBar = CreateAlphaBar();

    /// <summary>
    /// A network that always predicts v gives x_0 = alpha x_T - sigma v if v is a velocity, and (x_T - sigma v) / alpha
    /// if it is noise.
    /// </summary>
    [TestMethod]
    [DataRow(PredictionTarget.Velocity, 7ul, 1e-6)]
    [DataRow(PredictionTarget.Velocity, 8ul, 1e-6)]
    [DataRow(PredictionTarget.Noise, 7ul, 1e-3)]
    public void Generate_ConstantPrediction_GivesTheClosedForm(PredictionTarget target, ulong seed, double tolerance)
    {
        const float V = 0.25f;
        var alpha = Math.Sqrt(AlphaBar[T]);
        var sigma = Math.Sqrt(1 - AlphaBar[T]);
        var xt = new float[Shape.Pixels];
        foreach (var sampler in Enum.GetValues<Sampler>())
        {
            using var generator = Create(
                ConditionalUNet.Create(
                    Shape, CPU, entry => full(entry.Shape, entry.Name == "out.bias" ? V : 0, ScalarType.Float32, CPU)),
                new() { Sampler = sampler, Steps = 1, ClipPixels = false, Precision = Precision.Float32 },
                target,
                seed);
            var pixels = generator.Generate(Rows);
            foreach (var (row, image) in pixels.Chunk(Shape.Pixels).Index())
            {
                new RowNoise(seed, Rows[row].NoiseKey).Fill(xt, 0);
                for (var i = 0; i < image.Length; i++)
                {
                    var expected = target == PredictionTarget.Velocity
                        ? alpha * xt[i] - sigma * V
                        : (xt[i] - sigma * V) / alpha;
                    Assert.AreEqual(expected, image[i], tolerance, $"{sampler}, row {row}, pixel {i}");
                }
            }
        }
    }

    [TestMethod]
    [DataRow(PredictionTarget.Velocity)]
    [DataRow(PredictionTarget.Noise)]
    public void Generate_Ddim_EqualsTheLoopOverTheNetwork(PredictionTarget target)
    {
        using var network = CreateNetwork();
        using var generator = Create(
            CreateNetwork(),
            new()
            {
                Sampler = Sampler.Ddim,
                Steps = 4,
                Spacing = StepSpacing.Uniform,
                ClipPixels = Clips(target),
                GuidanceSigmaLow = 0,
                GuidanceSigmaHigh = null,
                Precision = Precision.Float32,
            },
            target);

        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var x = Start(7);
        foreach (var (t, s) in new[] { (1000, 667), (667, 334), (334, 1), (1, 0) })
        {
            // x_s = alpha_s x_0 + sigma_s eps, with the eps that goes with the image
            var x0 = PredictImage(network, x, t, target);
            var eps = (x - Math.Sqrt(AlphaBar[t]) * x0) / Math.Sqrt(1 - AlphaBar[t]);
            x = Math.Sqrt(AlphaBar[s]) * x0 + Math.Sqrt(1 - AlphaBar[s]) * eps;
        }

        AreClose(x, generator.Generate(Rows));
    }

    /// <summary>
    /// The defaults but for the data type: 8 steps of DPM-Solver++ (2M), all but the first even in log-SNR from the
    /// noise level 25 to 0.03, of a clipped velocity, with guidance 2 from level 5 to 0.5.
    /// </summary>
    [TestMethod]
    [DataRow(PredictionTarget.Velocity)]
    [DataRow(PredictionTarget.Noise)]
    public void Generate_ByDefault_EqualsTheLoopOverTheNetwork(PredictionTarget target)
    {
        using var network = CreateNetwork();
        using var generator = Create(
            CreateNetwork(), new() { ClipPixels = Clips(target), Precision = Precision.Float32 }, target);

        static double Lambda(int t) => Math.Log(AlphaBar[t] / (1 - AlphaBar[t])) / 2;
        static double Guidance(int t) => Math.Exp(-Lambda(t)) is > 0.5 and <= 5 ? 2 : 1;
        var timesteps = Enumerable.Range(0, 8).Select(i =>
        {
            var lambda = i == 0 ? Lambda(T) : -Math.Log(25) + (i - 1) / 6.0 * Math.Log(25 / 0.03);
            return Enumerable.Range(1, T).MinBy(t => Math.Abs(Lambda(t) - lambda));
        }).ToArray();
        Assert.HasCount(8, timesteps.Distinct());

        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var x = Start(7);
        Tensor? before = null;
        for (var i = 0; i < 7; i++)
        {
            // Lu et al. 2022, arXiv 2211.01095, algorithm 2
            var (t, s) = (timesteps[i], timesteps[i + 1]);
            var h = Lambda(s) - Lambda(t);
            var x0 = PredictImage(network, x, t, target, Guidance(t));
            var d = x0;
            if (before is not null)
            {
                var r = (Lambda(t) - Lambda(timesteps[i - 1])) / h;
                d = (1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * before;
            }

            x = Math.Sqrt((1 - AlphaBar[s]) / (1 - AlphaBar[t])) * x - Math.Sqrt(AlphaBar[s]) * (Math.Exp(-h) - 1) * d;
            before = x0;
        }

        AreClose(PredictImage(network, x, timesteps[7], target, guidance: 1), generator.Generate(Rows));
    }

    /// <summary>
    /// A step evaluates a row with its label unless g = 0, and without it unless g = 1; a row without a label once.
    /// Outside of the guidance's interval, each row once with its label.
    /// </summary>
    [TestMethod]
    public void Generate_ScaleOfEachRow_EvaluatesWhatItNeeds()
    {
        Condition[] rows = [new(0, 1, 1), new(1, 2, 0), new(0, 3, 2), new(LabelRow.None, 4, 5)];
        var evaluated = new List<int>();
        float[] Generate(SamplingOptions sampling, params Condition[] rows)
        {
            using var generator = Create(CreateNetwork(), sampling with { Precision = Precision.Float32, Steps = 4 });
            generator.Shared.Evaluating = evaluated.Add;
            return generator.Generate(rows);
        }

        SamplingOptions everywhere = new() { GuidanceSigmaLow = 0, GuidanceSigmaHigh = null };
        var images = Generate(everywhere, rows).Chunk(Shape.Pixels).ToArray();
        Assert.AreSequenceEqual([5, 5, 5, 5], evaluated);
        foreach (var (i, evaluations) in new[] { 1, 1, 2, 1 }.Index())
        {
            evaluated.Clear();
            var alone = Generate(everywhere, rows[i]);
            Assert.AreSequenceEqual(Enumerable.Repeat(evaluations, 4), evaluated, $"row {i}");
            if (FusedConvolution.CanPack(ScalarType.Float32)) Assert.AreSequenceEqual(alone, images[i], $"row {i}");
        }

        evaluated.Clear();
        // 157, 9.49, 1.46, 0.01
        Generate(everywhere with { Spacing = StepSpacing.Uniform, GuidanceSigmaHigh = 9 }, rows);
        Assert.AreSequenceEqual([4, 4, 5, 5], evaluated);
    }

    /// <summary>The steps begin at the noise levels 157, 24.9, 8.13, 2.66, 0.864, 0.281, 0.092 and 0.030.</summary>
    [TestMethod]
    [DataRow(0.0, null, new[] { 2, 2, 2, 2, 2, 2, 2, 2 })]
    [DataRow(0.5, 5.0, new[] { 1, 1, 1, 2, 2, 1, 1, 1 })]
    [DataRow(25.0, null, new[] { 2, 1, 1, 1, 1, 1, 1, 1 })]
    [DataRow(0.0, 0.1, new[] { 1, 1, 1, 1, 1, 1, 2, 2 })]
    [DataRow(0.0, 0.02, new[] { 1, 1, 1, 1, 1, 1, 1, 1 })]
    public void Generate_IntervalOfGuidance_EvaluatesWithoutTheLabelWithinItAlone(
        double low, double? high, int[] expected)
    {
        using var generator = Create(CreateNetwork(), new()
        {
            Steps = 8,
            Spacing = StepSpacing.Focused,
            GuidanceSigmaLow = low,
            GuidanceSigmaHigh = high,
            Precision = Precision.Float32,
        });
        var evaluated = new List<int>();
        generator.Shared.Evaluating = evaluated.Add;
        generator.Generate([new(0, 1, 1.5f)]);
        Assert.AreSequenceEqual(expected, evaluated);
    }

    [TestMethod]
    public void Generator_OfAChainWithTwo_IsTheFirst()
    {
        var ml = new MLContext(seed: 1);
        using var first = Tiny.Create(ml);
        using var second = Tiny.Create(ml);
        var chain = new TransformerChain<ITransformer>(new TransformerChain<ITransformer>(first), second);
        Assert.AreSame(first.Generator, ITrainedModel.Of(chain).Generator);
    }

    [TestMethod]
    [DataRow(3, 7, new[] { 3, 3, 1 })]
    [DataRow(null, 70, new[] { 32, 32, 6 })]
    [DataRow(100, 7, new[] { 7 })]
    public void Generate_MoreRowsThanABatch_GivesTheImagesOfOneBatch(int? size, int count, int[] expected)
    {
        Condition[] rows = [.. Enumerable.Range(0, count).Select(i => new Condition(i % 2, (ulong)i, i % 3))];
        float[] Generate(int? size, List<int> batches)
        {
            var sampling = new SamplingOptions { Precision = Precision.Float32, Steps = 3 };
            using var generator = Create(CreateNetwork(), sampling, size: size);
            generator.Shared.BatchStarting = batches.Add;
            return generator.Generate(rows);
        }

        var batches = new List<int>();
        var actual = Generate(size, batches);
        var together = Generate(count, []);

        Assert.AreSequenceEqual(expected, batches);
        if (FusedConvolution.CanPack(ScalarType.Float32)) Assert.AreSequenceEqual(together, actual);
        else Assert.IsLessThan(1e-4f, TensorAssert.LargestDifference(together, actual));
    }

    [TestMethod]
    [DataRow(Precision.Float32)]
    [DataRow(Precision.BFloat16)]
    public void Generate_AnyNumberOfThreads_GivesTheSameBits(Precision precision)
    {
        if (!FusedConvolution.CanPack(ScalarType.Float32)) Assert.Inconclusive("libtorch has no oneDNN here.");

        var shape = new UNetShape(1, 32, 32, Labels: 2, EmbeddingSize: 8, [16, 32, 64]);
        var threads = get_num_threads();
        float[] Generate(int number)
        {
            set_num_threads(number);
            using var generator = Create(
                ConditionalUNet.Create(shape, CPU, seed: 3), new() { Precision = precision, Steps = 3 }, shape: shape);
            return generator.Generate(Rows);
        }

        try
        {
            var one = Generate(1);
            Assert.IsGreaterThan(0.1f, one.Max() - one.Min());
            Assert.AreSequenceEqual(one, Generate(2));
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    private static double[] CreateAlphaBar()
    {
        var alphaBar = new double[T + 1];
        alphaBar[0] = 1;
        for (var t = 1; t <= T; t++) alphaBar[t] = alphaBar[t - 1] * (1 - (1e-4 + (t - 1) * (0.02 - 1e-4) / (T - 1)));
        return alphaBar;
    }

    private static ConditionalUNet CreateNetwork() => ConditionalUNet.Create(Shape, CPU, seed: 3);

    private static ImageGenerator Create(
        ConditionalUNet network,
        SamplingOptions sampling,
        PredictionTarget target = PredictionTarget.Velocity,
        ulong seed = 7,
        int? size = 4,
        UNetShape? shape = null)
    {
        var description = Tiny.Description with
        {
            Network = shape ?? Shape,
            Schedule = BetaSchedule.Linear,
            Timesteps = T,
            Prediction = target,
            GeneratesUnlabelled = true,
            Sampling = sampling,
            BatchSize = size,
            Seed = seed,
        };
        return new(new(network), description, () => { }, typeof(ImageGeneratorTests));
    }

    /// <summary>Returns x_T of the rows.</summary>
    private static Tensor Start(ulong seed)
    {
        var values = new float[Rows.Length * Shape.Pixels];
        for (var i = 0; i < Rows.Length; i++)
            new RowNoise(seed, Rows[i].NoiseKey).Fill(values.AsSpan(i * Shape.Pixels, Shape.Pixels), 0);
        return tensor(values, [Rows.Length, Shape.Channels, Shape.Height, Shape.Width], ScalarType.Float32, CPU);
    }

    /// <summary>
    /// Returns whether to clip images: not those of an untrained network's noise, of which clipping leaves two values.
    /// </summary>
    private static bool Clips(PredictionTarget target) => target == PredictionTarget.Velocity;

    /// <summary>Returns the image that the network implies with guidance on its prediction.</summary>
    private static Tensor PredictImage(
        ConditionalUNet network, Tensor x, int t, PredictionTarget target, double guidance = 2)
    {
        Tensor Predict(params long[] labels) => network.Forward(
            x, full([Rows.Length], t, ScalarType.Int64, CPU), tensor(labels, ScalarType.Int64, CPU));

        var unconditional = Predict(-1, -1);
        var prediction = unconditional + guidance * (Predict(1, 0) - unconditional);
        var alpha = Math.Sqrt(AlphaBar[t]);
        var sigma = Math.Sqrt(1 - AlphaBar[t]);
        var x0 = target == PredictionTarget.Velocity
            ? alpha * x - sigma * prediction
            : (x - sigma * prediction) / alpha;
        return Clips(target) ? x0.clamp(-1, 1) : x0;
    }

    private static void AreClose(Tensor expected, float[] actual)
    {
        // Neither flat nor clipped everywhere, or the comparison would see little.
        Assert.IsGreaterThan(0.05f, expected.std().item<float>());
        Assert.IsGreaterThan(0.2f, (expected.abs() != 1).to(ScalarType.Float32).mean().item<float>());

        var largest = (double)expected.abs().max().item<float>();
        TensorAssert.AreClose(expected, tensor(actual, expected.shape, ScalarType.Float32, CPU), 1e-4 * largest);
    }
}
