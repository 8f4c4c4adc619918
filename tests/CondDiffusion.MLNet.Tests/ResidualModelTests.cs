using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Options = CondDiffusion.MLNet.ConditionalDiffusionTrainer.Options;

namespace CondDiffusion.MLNet.Tests;

/// <summary>Models of the residual architecture, from the training to the file and the images.</summary>
[TestClass]
public sealed class ResidualModelTests
{
    private static readonly Options Options = Tiny.Options with
    {
        Architecture = NetworkArchitecture.Residual,
        ChannelWidths = [32, 64],
        EmbeddingSize = 8,
        Timesteps = 100,
        TimestepSampling = TimestepSampling.LogNormal,
        LearningRateDecay = LearningRateDecay.Cooldown,
        Sampling = new() { Spacing = StepSpacing.LogSnr, GuidanceSigmaLow = 0, GuidanceSigmaHigh = null },
    };

    [TestMethod]
    public void BlackAndWhite_TrainedSavedLoaded_AreGeneratedForTheirLabels()
    {
        var ml = new MLContext(seed: 1);
        using var trained = Tiny.Fit(ml, Options with { Epochs = 60, BatchSize = 10, LearningRate = 5e-3 });
        var file = ModelZip.Save(ml, trained);
        Assert.AreEqual(4, ModelDescription.Parse(new ModelZip(file)[ModelZip.Description]).Format);

        using var loaded = (ConditionalDiffusionTransformer)ModelZip.Load(new(), file);
        var rows = Tiny.Rows(ml, 16);
        var pixels = Tiny.Pixels(loaded, rows);
        for (var i = 0; i < 16; i++)
        {
            Assert.AreSequenceEqual(Tiny.Pixels(trained, rows)[i], pixels[i]);
            Assert.AreEqual(i % 2 == 0 ? -1 : 1, pixels[i].Average(), 0.3, $"row {i}");
        }
    }

    [TestMethod]
    public void Fit_StoppedAfterAnyStep_ResumesToTheSameWeights()
    {
        var options = Options with { Epochs = 2, Precision = Precision.BFloat16 };
        var expected = Weights(options);
        for (var stop = 1; stop <= 5; stop += 2)
        {
            using var directory = new TemporaryDirectory();
            using var source = new CancellationTokenSource();
            var resumed = options with { CheckpointDirectory = directory.Path };
            Assert.Throws<OperationCanceledException>(() => Weights(resumed with
            {
                CancellationToken = source.Token,
                ProgressInterval = TimeSpan.Zero,
                Progress = new Reporter(progress =>
                {
                    if (progress.Step == stop) source.Cancel();
                }),
            }));
            Assert.AreSequenceEqual(expected, Weights(resumed), $"stopped after step {stop}");
        }
    }

    [TestMethod]
    [DataRow("\"Widths\": [", "\"Widths\": [33, ", "Network.Widths must be 1 to 4 multiples of 32 from 32 to")]
    [DataRow("\"Residual\"", "\"Another\"", "the description is not the expected JSON")]
    [DataRow("\"Residual\"", "9", "Network.Architecture must be a value of its type, but is 9")]
    [DataRow("\"Residual\"", "\"Plain\"", "Network.Widths must be 3 numbers")]
    [DataRow("\"Height\": 8", "\"Height\": 6", "Network.Height must be a positive multiple of 4, but is 6")]
    public void Parse_ImpossibleDescription_SaysWhatIsWrong(string text, string replacement, string message)
    {
        var description = Options.Describe(new(2, ["cat", "dog"]), seed: 1);
        var json = System.Text.Encoding.UTF8.GetString(description.ToJson());
        Assert.Contains(text, json);
        var forged = System.Text.Encoding.UTF8.GetBytes(json.Replace(text, replacement, StringComparison.Ordinal));
        var exception = Assert.ThrowsExactly<FormatException>(() => ModelDescription.Parse(forged));
        Assert.Contains(message, exception.Message);
    }

    [TestMethod]
    public void Describe_PlainNetwork_WritesTheFormatOfLibrariesWithoutArchitectures()
    {
        var json = System.Text.Encoding.UTF8.GetString(Tiny.Description.ToJson());
        Assert.Contains("\"Format\": 3", json);
        Assert.DoesNotContain("Architecture", json);
    }

    private static byte[] Weights(Options options)
    {
        var ml = new MLContext();
        using var model = Tiny.Fit(ml, options);
        return new ModelZip(ModelZip.Save(ml, model))[ModelZip.Weights];
    }
}
