using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Network;

/// <summary>Checks that TorchSharp's process-wide settings, which an application may change, change nothing.</summary>
[TestClass]
public sealed class TorchSettingsTests
{
    [TestMethod]
    public void DefaultDataType_Float64_ChangesNothing()
    {
        var expected = TrainSaveAndGenerate();
        var before = get_default_dtype();
        set_default_dtype(ScalarType.Float64);
        try
        {
            Assert.AreSequenceEqual(expected, TrainSaveAndGenerate());
        }
        finally
        {
            set_default_dtype(before);
        }
    }

    /// <summary>A tensor on the device "meta" has no values: to compute with it and others is an error.</summary>
    [TestMethod]
    public void DefaultDevice_Another_ChangesNothing()
    {
        var expected = TrainSaveAndGenerate();
        var before = get_default_device();
        set_default_device(new Device("meta"));
        try
        {
            Assert.AreSequenceEqual(expected, TrainSaveAndGenerate());
        }
        finally
        {
            set_default_device(before);
        }
    }

    /// <summary>Trains with everything that has tensors of its own, and generates with a loaded model.</summary>
    private static float[] TrainSaveAndGenerate()
    {
        using var directory = new TemporaryDirectory();
        var ml = new MLContext(seed: 1);
        using var trained = Tiny.Fit(ml, Tiny.Options with
        {
            LabelDropout = 0.5,
            MinSnrGamma = 5,
            GradientClipNorm = 0.1,
            MovingAverageLengths = [0.1],
            ValidationFraction = 0.3,
            SampleEpochs = 1,
            TensorBoardDirectory = Path.Combine(directory.Path, "logs"),
            CheckpointDirectory = Path.Combine(directory.Path, "checkpoints"),
            Sampling = new() { Sampler = Sampler.Ddim, Eta = 1, GuidanceScale = 2, Steps = 3 },
        });
        var file = Path.Combine(directory.Path, "model.zip");
        ml.Model.Save(trained, null, file);

        var loaded = ml.Model.Load(file, out _);
        using var disposed = loaded as IDisposable;
        return [.. Tiny.Pixels(loaded, Tiny.Rows(ml, 5)).SelectMany(pixels => pixels)];
    }
}
