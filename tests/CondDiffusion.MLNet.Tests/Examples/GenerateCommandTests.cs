using CondDiffusion.Examples;
using CondDiffusion.MLNet.Tests.Onnx;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Examples;

[TestClass]
public sealed class GenerateCommandTests
{
    [TestMethod]
    public void Run_SpacingAndInterval_GeneratesTheImageOfThatSampling()
    {
        using var model = new OnnxModel(OnnxModel.Description);
        var zip = model.File("model.zip");
        model.Ml.Model.Save(model.Transformer, null, zip);
        GenerateCommand.Run(
        [
            "--model", zip, "--labels", "dog", "--count", "1", "--steps", "5", "--spacing", "focused",
            "--guidance", "4", "--guidance-sigma", "0.5,5", "--out", model.File("out"),
        ]);

        using var image = MLImage.CreateFromFile(Path.Combine(model.File("out"), "dog-0.png"));
        var levels = image.Pixels.ToArray();
        var expected = OnnxModel.Description.Sampling with
        {
            Steps = 5,
            Spacing = StepSpacing.Focused,
            GuidanceScale = 4,
            GuidanceSigmaLow = 0.5,
            GuidanceSigmaHigh = 5,
        };
        Tiny.AreClose([Generate(expected)], [levels]);

        // The images of other samplings are others.
        IsFar(expected with { Spacing = StepSpacing.LogSnr });
        IsFar(expected with { GuidanceSigmaLow = 0 });
        IsFar(expected with { GuidanceSigmaHigh = null });

        byte[] Generate(SamplingOptions sampling)
        {
            using var sampled = model.Ml.ImageGeneration.WithSampling(model.Transformer, sampling);
            using var generated = sampled.Generate(["dog"])[0];
            return generated.Pixels.ToArray();
        }

        void IsFar(SamplingOptions sampling) =>
            Assert.IsGreaterThan(5, Generate(sampling).Zip(levels, (a, b) => Math.Abs(a - b)).Max(), $"{sampling}");
    }

    /// <summary>As many steps as suffice for DPM-Solver++ are too few for DDIM, which takes 50 by default.</summary>
    [TestMethod]
    public void Run_AnotherSamplerAndNoSteps_TakesTheStepsOfThatSampler()
    {
        using var model = new OnnxModel(OnnxModel.Description);
        var zip = model.File("model.zip");
        model.Ml.Model.Save(model.Transformer, null, zip);
        GenerateCommand.Run(
            ["--model", zip, "--labels", "dog", "--count", "1", "--sampler", "ddim", "--out", model.File("out")]);

        using var image = MLImage.CreateFromFile(Path.Combine(model.File("out"), "dog-0.png"));
        var levels = image.Pixels.ToArray();
        Tiny.AreClose([Generate(50)], [levels]);
        var differences = Generate(OnnxModel.Description.Steps).Zip(levels, (a, b) => Math.Abs(a - b));
        Assert.IsGreaterThan(5, differences.Max(), "The images of the model's own steps are others.");

        byte[] Generate(int steps)
        {
            using var sampled = model.Ml.ImageGeneration.WithSampling(
                model.Transformer, OnnxModel.Description.Sampling with { Sampler = Sampler.Ddim, Steps = steps });
            using var generated = sampled.Generate(["dog"])[0];
            return generated.Pixels.ToArray();
        }
    }

    /// <summary>The command generates 32 images at a time.</summary>
    [TestMethod]
    public void Run_MoreThanThirtyTwoImages_CountsTheSeedsOn()
    {
        using var model = new OnnxModel(OnnxModel.Description);
        var (zip, output) = (model.File("model.zip"), model.File("out"));
        model.Ml.Model.Save(model.Transformer, null, zip);
        GenerateCommand.Run(["--model", zip, "--labels", "dog", "--count", "34", "--out", output]);

        var files = Directory.GetFiles(output, "dog-*.png");
        Assert.HasCount(34, files);
        Assert.HasCount(34, files.Select(file => Convert.ToBase64String(File.ReadAllBytes(file))).Distinct());

        using var image = MLImage.CreateFromFile(Path.Combine(output, "dog-33.png"));
        using var expected = model.Transformer.Generate(["dog"], [33])[0];
        Tiny.AreClose([expected.Pixels.ToArray()], [image.Pixels.ToArray()]);
    }

    [TestMethod]
    public void ParseLabels_FilesOfOneName_AreRefused()
    {
        string[] known = ["a-b", "a/b", "c", "C"];
        Throws.Saying<UsageException>(
            () => GenerateCommand.ParseLabels(null, known), "belong to 'a-b' and 'a/b'", "an --out directory each");
        Throws.Saying<UsageException>(() => GenerateCommand.ParseLabels("c, c", known), "belong to 'c' and 'c'");
        Throws.Saying<UsageException>(() => GenerateCommand.ParseLabels("d", known), "'d' is not one of");
        Assert.AreSequenceEqual(["c", "a/b"], GenerateCommand.ParseLabels("c,a/b", known));
        if (OperatingSystem.IsLinux()) Assert.AreSequenceEqual(["C", "c"], GenerateCommand.ParseLabels("C,c", known));
    }

    [TestMethod]
    public void Save_GridOfMoreThanTwoGigabytes_IsLeftOut()
    {
        using var directory = new TemporaryDirectory();
        using var image = TestImages.Plain(256, 256, 1, 2, 3);
        var file = directory.File("grid.png");
        var said = Printed.ByErrors(
            () => GenerateCommand.Save([.. Enumerable.Repeat(image, 2100)], columns: 100, file));
        Assert.Contains($"{file} was not saved: a grid of 2100 images would take more than 2 GB.", said);
        Assert.IsFalse(File.Exists(file));
    }

    [TestMethod]
    public void Run_NoModel_GeneratesWithTheOneThatComesWithTheProgram()
    {
        using var directory = new TemporaryDirectory();
        GenerateCommand.Run(
            ["--labels", "7", "--count", "1", "--out", directory.File("out")]);

        using var image = MLImage.CreateFromFile(directory.File("out/7-0.png"));
        Assert.AreEqual((28, 28), (image.Height, image.Width));
    }
}
