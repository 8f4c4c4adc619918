using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>Runs the code of docs/sampling.md.</summary>
[TestClass]
public sealed class SamplingTests
{
    [TestMethod]
    public void WithSampling_AsItStands_IsSaved()
    {
        using var directory = new DocsDirectory();
        var ml = new MLContext(seed: 1);
        ((IDisposable)DocsDirectory.SaveModel(ml)).Dispose();
        // snippet: with sampling
        ITransformer model = ml.Model.Load("digits.zip", out _);
        ITransformer careful = ml.ImageGeneration.WithSampling(
            model, new SamplingOptions { Sampler = Sampler.Ddim, Steps = 50 });
        ml.Model.Save(careful, null, "careful.zip");
        // end
        using var loaded = (IDisposable)ml.Model.Load("careful.zip", out _);
        Assert.AreEqual(
            new() { Sampler = Sampler.Ddim, Steps = 50, GuidanceScale = 2 },
            Generator((ITransformer)loaded).Sampling);
        using (model as IDisposable)
        using (careful as IDisposable)
            Assert.AreEqual(new() { Steps = 8, GuidanceScale = 2 }, Generator(model).Sampling);
    }

    [TestMethod]
    public void Trainer_AsItStands_TakesTheOptions()
    {
        using var directory = new DocsDirectory();
        // snippet: trainer
        var options = new ConditionalDiffusionTrainer.Options
        {
            Sampling = new SamplingOptions { Steps = 10 },
        };
        // end
        var model = DocsDirectory.SaveModel(new MLContext(seed: 1), Tiny.Shrink(options) with { Timesteps = 100 });
        using var disposable = (IDisposable)model;
        Assert.AreEqual(new() { Steps = 10, GuidanceScale = 2 }, Generator(model).Sampling);
        var steps = new List<int>();
        Generator(model).Generate(["3"], progress: progress => steps.Add(progress.Step));
        Assert.AreSequenceEqual(Enumerable.Range(1, 10), steps);
    }

    [TestMethod]
    public void GuidanceAndProgress_AsTheyStand_Run()
    {
        using var directory = new DocsDirectory();
        var ml = new MLContext(seed: 1);
        var model = DocsDirectory.SaveModel(ml, Tiny.Shrink(new()) with { Timesteps = 100 });
        using var disposable = (IDisposable)model;
        // snippet: guidance
        ITransformer guided = ml.ImageGeneration.WithSampling(model, new SamplingOptions
        {
            GuidanceScale = 1.5,
            GuidanceSigmaHigh = 10,             // only where the noise is at most 10 times as strong as the image
            GuidanceSigmaLow = 0.3,             // and more than 0.3 times as strong
            GuidanceColumnName = "Guidance",    // a row's own scale, where it has one
        });
        IDataView rows = ml.Data.LoadFromEnumerable(
        [
            new { Label = 3u, Guidance = 1f },
            new { Label = 3u, Guidance = 4f },
        ]);
        MLImage[] images = [.. guided.Transform(rows).GetColumn<MLImage>("GeneratedImage")];
        // end
        using var guidedDisposable = (IDisposable)guided;
        Assert.HasCount(2, images);

        var generator = Generator(model);
        // snippet: progress
        var way = new List<MLImage>();
        generator.Generate(["3"], progress: progress =>
        {
            Console.WriteLine($"step {progress.Step} of {progress.Steps}, at timestep {progress.Timestep}");
            if (progress.Step % 2 == 0) way.Add(progress.ToImages()[0]);
        });
        ImageGrid.Save(way, columns: way.Count, "way.png");
        // end
        Assert.HasCount(4, way);
        Assert.IsTrue(File.Exists("way.png"));
    }

    private static ConditionalDiffusionTransformer Generator(ITransformer chain) =>
        ((IEnumerable<ITransformer>)chain).OfType<ConditionalDiffusionTransformer>().Single();
}
