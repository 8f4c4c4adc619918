using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Distillation;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Classification;
using CondDiffusion.MLNet.Tests.Conformance;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Distillation;

/// <summary>The distillation of models that generate 8 x 8 images.</summary>
[TestClass]
public sealed class DistillationTests
{
    private static readonly MLContext Ml = new(seed: 1);

    /// <summary>A model that can be guided, and predicts the velocity.</summary>
    private static readonly ModelDescription Guided = Tiny.Description with
    {
        Timesteps = 400,
        Prediction = PredictionTarget.Velocity,
        ScalesVariances = true,
        GeneratesUnlabelled = true,
        Sampling = new() { GuidanceScale = 3, GuidanceSigmaLow = 0.5, Precision = Precision.Float32 },
    };

    /// <summary>A distillation in milliseconds.</summary>
    private static readonly DistillationTrainer.Options Options = new()
    {
        Steps = 4,
        TeacherSteps = 2,
        Epochs = 2,
        BatchSize = 4,
        Precision = Precision.Float32,
        Seed = 1,
    };

    [TestMethod]
    public void LearningRate_LeftOpen_IsTheTrainersOwn() => Assert.AreEqual(
        1e-3, new DistillationTrainer.Options().LoopSettings(1, ScalarType.Float32).LearningRate.Peak);

    [TestMethod]
    [DataRow(1000, 400)]
    [DataRow(400, 0)]
    public void Velocity_OfAStep_LeadsWhereTheTeacherWent(int t, int s)
    {
        using var scope = NewDisposeScope();
        var schedule = NoiseSchedule.Linear(1000);
        var xt = randn([2, 1, 3, 3], ScalarType.Float32, CPU, generator: new Generator(1, CPU));
        var xs = randn([2, 1, 3, 3], ScalarType.Float32, CPU, generator: new Generator(2, CPU));

        var v = DistillationLoss.Velocity(xt, xs, schedule.Angle(t) - schedule.Angle(s));
        var x0 = PredictionTarget.Velocity.Image(v, xt, schedule.Alpha(t), schedule.Sigma(t));
        TensorAssert.AreClose(xs, DdimSampler.Step(schedule, xt, x0, t, s), 1e-4);
    }

    /// <summary>From the noise of an image to its end, the teacher does what the model does in as many steps.</summary>
    [TestMethod]
    [DataRow(Sampler.Ddim, 1, 2, 4)]
    [DataRow(Sampler.DpmSolver, 1)] // whose first step of each part is of first order
    public void Step_OverTheWholeWay_IsTheModelsOwnGuidedSampling(Sampler sampler, params int[] parts)
    {
        var description = Guided with
        {
            Sampling = Guided.Sampling with { Sampler = sampler, Steps = 8, Spacing = StepSpacing.Angle },
        };
        using var model = Tiny.Create(Ml, description);
        Condition[] rows = [new(1, 5, 3), new(0, 6, 3)];
        var expected = model.Generator.Generate(rows);

        using var scope = NewDisposeScope();
        RowNoise[] noises = [.. rows.Select(row => new RowNoise(Guided.NoiseSeed, row.NoiseKey))];
        var start = tensor(RowNoise.Create(noises, 64, index: 0), [2, 1, 8, 8], ScalarType.Float32, CPU);
        foreach (var steps in parts)
        {
            var x = Go(model, description, start, steps);
            TensorAssert.AreClose(expected, x, 1e-4); // products of other sizes round differently
        }
    }

    /// <summary>On the same timesteps, DPM-Solver++ comes nearer to where a hundred steps of DDIM lead.</summary>
    [TestMethod]
    public void Step_OfDpmSolver_IsMoreExactThanThatOfDdim()
    {
        using var scope = NewDisposeScope();
        var exact = End(Sampler.Ddim, 100);
        var ddim = (End(Sampler.Ddim, 4) - exact).norm().item<float>();
        var dpmSolver = (End(Sampler.DpmSolver, 4) - exact).norm().item<float>();
        Assert.IsLessThan(0.7 * ddim, dpmSolver, $"DDIM differs by {ddim}, DPM-Solver++ by {dpmSolver}.");

        Tensor End(Sampler sampler, int steps)
        {
            var description = Guided with { Sampling = Guided.Sampling with { Sampler = sampler } };
            using var network = ConditionalUNet.Create(Guided.Network, CPU, seed: 1);
            var timesteps = Enumerable.Range(0, steps).Select(i => 200 - i * 100 / steps).ToArray();
            using var teacher = new DistillationTeacher(network, description, timesteps, ScalarType.Float32);
            var start = randn([2, 1, 8, 8], ScalarType.Float32, CPU, generator: new Generator(1, CPU));
            return teacher.Go(start, [1, 0], 200, 100);
        }
    }

    /// <summary>The student starts as the network that the teacher is made from, and changes it.</summary>
    [TestMethod]
    public void Step_AfterTheNetworkHasChanged_IsThatOfTheWeightsBefore()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = ConditionalUNet.Create(Guided.Network, CPU, seed: 1);
        using var teacher = new DistillationTeacher(network, Guided, [400, 100], ScalarType.Float32);
        var start = randn([2, 1, 8, 8], ScalarType.Float32, CPU, generator: new Generator(1, CPU));
        var before = teacher.Go(start, [1, 0], 400, 0);
        network.Parameters.add_(0.1);
        network.Buffers.add_(0.1);
        TensorAssert.AreClose(before, teacher.Go(start, [1, 0], 400, 0), 0);
    }

    /// <summary>
    /// A batch of one image is at the beginning of one of the steps, and each has its turn. The loss is the squared
    /// error of the velocity that leads in one step to where the teacher goes.
    /// </summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void Compute_BatchesOfOneImage_AreOfEachStepAtSomeTime(int steps)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = RandomNetwork.Create(Guided.Network);
        var options = Options with { Steps = steps };
        using var teacher = new DistillationTeacher(
            network, Guided, options.TeacherTimesteps(Guided), ScalarType.Float32);
        var student = Guided with { Sampling = Guided.Sampling with { Steps = steps } };
        using var loss = new DistillationLoss(network, teacher, student, ScalarType.Float32);
        var schedule = Guided.CreateSchedule();
        var timesteps = Timesteps.Choose(schedule, StepSpacing.Angle, steps);
        var x0 = Shapes.Random(5, 1, 1, 8, 8);
        using var batch = Shapes.Batch(x0, [1]);

        var seen = new HashSet<int>();
        for (var seed = 1; seed <= 30 && seen.Count < steps; seed++)
        {
            using var random = new Generator((ulong)seed, CPU);
            var actual = loss.Compute(batch, random, training: true).item<float>();

            random.manual_seed(seed);
            var eps = randn([1, 1, 8, 8], ScalarType.Float32, CPU, generator: random);
            float[] losses = [.. timesteps.Select((t, i) => Loss(eps, t, i + 1 < steps ? timesteps[i + 1] : 0))];
            var step = Array.FindIndex(losses, expected => Math.Abs(actual - expected) < 1e-3 * expected);
            Assert.IsGreaterThanOrEqualTo(0, step, $"{actual} is the loss of none of the steps");
            seen.Add(step);
        }

        Assert.HasCount(steps, seen);

        float Loss(Tensor eps, int t, int s)
        {
            var turn = schedule.Angle(t) - schedule.Angle(s);
            var xt = x0 * schedule.Alpha(t) + eps * schedule.Sigma(t);
            var target = (xt * Math.Cos(turn) - teacher.Go(xt, [1], t, s)) / Math.Sin(turn);
            var prediction = network.Forward(
                xt, full([1], t, ScalarType.Float32, CPU), full([1], 1, ScalarType.Int64, CPU));
            return (prediction - target).square().mean().item<float>();
        }
    }

    /// <summary>
    /// Images of bars: the distilled model needs two steps for what the model shows in eight, and the model itself
    /// shows something else in two.
    /// </summary>
    [TestMethod]
    public void Fit_TrainedModel_GeneratesItsImagesInTwoSteps()
    {
        using var model = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options with
        {
            ChannelWidths = [16, 16, 16],
            EmbeddingSize = 16,
            Timesteps = 200,
            Epochs = 50,
            BatchSize = 32,
            LearningRate = 5e-3,
            LearningRateDecay = LearningRateDecay.Cosine,
            Precision = Precision.Float32,
        }).Fit(Bars());
        using var distilled = Ml.ImageGeneration.Trainers.Distillation(model, Options with
        {
            Steps = 2,
            TeacherSteps = 4,
            Epochs = 25,
            BatchSize = 32,
            LearningRate = 2e-3,
        }).Fit(Bars());

        var teacher = Generate(model, 8);
        var before = Distance(teacher, Generate(model, 2));
        var after = Distance(teacher, Tiny.Pixels(distilled, Tiny.Rows(Ml, 40)));
        Assert.IsLessThan(before / 2, after, $"{before} before, {after} after");

        static float[][] Generate(ConditionalDiffusionTransformer model, int steps)
        {
            using var sampled = Ml.ImageGeneration.WithSampling(model, model.Sampling with
            {
                Sampler = Sampler.Ddim,
                Steps = steps,
                Spacing = StepSpacing.Angle,
            });
            return Tiny.Pixels(sampled, Tiny.Rows(Ml, 40));
        }

        static double Distance(float[][] a, float[][] b) =>
            a.Zip(b, (a, b) => a.Zip(b, (a, b) => (a - b) * (a - b)).Average()).Average();
    }

    [TestMethod]
    public void Fit_Distilled_EvaluatesTheNetworkOnceAStepAndSavesItsSteps()
    {
        using var model = Tiny.Create(Ml, Guided);
        using var distilled = Fit(model, Options);
        var evaluations = 0;
        distilled.Generator.Shared.Evaluating = rows => evaluations += rows;
        var pixels = Tiny.Pixels(distilled, Tiny.Rows(Ml));
        Assert.AreEqual(4 * 2, evaluations);

        using var loaded = (ConditionalDiffusionTransformer)EstimatorConformance.Reload(Ml, distilled, null, out _);
        Assert.AreSequenceEqual(
            pixels.SelectMany(row => row), Tiny.Pixels(loaded, Tiny.Rows(Ml)).SelectMany(row => row));
        Assert.AreEqual(4, loaded.Sampling.Steps);

        var exception = Assert.ThrowsExactly<ArgumentException>(() =>
            Ml.ImageGeneration.WithSampling(loaded, loaded.Sampling with { Steps = 8, GuidanceScale = 2 }));
        Assert.Contains("Steps must be 4, since the model was distilled to 4 steps, but is 8.", exception.Message);
        Assert.Contains("GuidanceScale must be null, since", exception.Message);

        using var seeded = Ml.ImageGeneration.WithSampling(loaded, loaded.Sampling with { Seed = 8 });
        Assert.AreNotEqual(pixels[0][0], Tiny.Pixels(seeded, Tiny.Rows(Ml))[0][0]);
    }

    [TestMethod]
    public void Fit_LabelsInAnotherColumn_GeneratesForThat()
    {
        using var model = Tiny.Create(Ml, Guided);
        var images = Ml.Data.LoadFromEnumerable(Tiny.Images);
        var renamed = Ml.Transforms.CopyColumns("Animal", "Label").Append(Ml.Transforms.DropColumns("Label"))
            .Fit(images).Transform(images);
        var options = Options with { LabelColumnName = "Animal" };
        using var distilled = Ml.ImageGeneration.Trainers.Distillation(model, options).Fit(renamed);
        Assert.HasCount(10, Tiny.Pixels(distilled, renamed));
    }

    /// <summary>Keys without values are known by their number.</summary>
    [TestMethod]
    public void Fit_KeysWithoutValues_AreKnownUpToTheNumberOfTheTeachers()
    {
        using var model = Tiny.Create(Ml, Guided);
        var trainer = Ml.ImageGeneration.Trainers.Distillation(model, Options);
        Throws.Saying<InvalidOperationException>(
            () => trainer.Fit(Images(keys: 3)), "has 3 labels, but the model to distill knows only 2 labels");
        using var distilled = trainer.Fit(Images(keys: 1));
        Assert.HasCount(1, distilled.Generate(["1"]));

        IDataView Images(ulong keys) => Ml.Data.LoadFromEnumerable(
            Tiny.Images.Where(image => image.Label == 0), Tiny.Schema<Tiny.Image>(keys));
    }

    /// <summary>What decides the steps is the distilled model's own, whatever its teacher had.</summary>
    [TestMethod]
    public void Fit_TeacherWithOtherSampling_GivesTheSamplingOfDistilledModels()
    {
        var sampling = Guided.Sampling with
        {
            Sampler = Sampler.Ddim,
            Eta = 0.5,
            Steps = 8,
            Spacing = StepSpacing.Uniform,
            ClipPixels = true,
            GuidanceColumnName = "Guidance",
            MissingLabels = MissingLabelBehavior.Unconditional,
        };
        using var model = Tiny.Create(Ml, Guided with { Sampling = sampling });
        using var distilled = Fit(model, Options);
        var expected = sampling with
        {
            Eta = 0,
            Steps = 4,
            Spacing = StepSpacing.Angle,
            ClipPixels = false,
            GuidanceScale = distilled.Sampling.GuidanceScale,
            GuidanceSigmaLow = distilled.Sampling.GuidanceSigmaLow,
            GuidanceSigmaHigh = distilled.Sampling.GuidanceSigmaHigh,
            GuidanceColumnName = null,
            MissingLabels = MissingLabelBehavior.Error,
        };
        Assert.AreEqual(expected, distilled.Sampling);
        Assert.IsTrue(distilled.Sampling.GuidanceScale is null or 1);
        using var loaded = (ConditionalDiffusionTransformer)EstimatorConformance.Reload(Ml, distilled, null, out _);
        Assert.AreEqual(expected, loaded.Sampling);
    }

    [TestMethod]
    public void WithSampling_DistilledModel_RefusesEachOptionOfItsSteps()
    {
        using var model = Tiny.Create(Ml, Guided);
        using var distilled = Fit(model, Options);
        var own = distilled.Sampling;
        Refused("Sampler must be Ddim", own with { Sampler = Sampler.DpmSolver });
        Refused("Eta must be 0", own with { Eta = 0.5 });
        Refused("Spacing must be Angle", own with { Spacing = StepSpacing.Uniform });
        Refused("ClipPixels must be False", own with { ClipPixels = true });
        Refused("GuidanceColumnName must be null", own with { GuidanceColumnName = "Guidance" });
        Refused("MissingLabels must be Error", own with { MissingLabels = MissingLabelBehavior.Unconditional });

        void Refused(string message, SamplingOptions options) => Throws.Saying<ArgumentException>(
            () => Ml.ImageGeneration.WithSampling(distilled, options),
            $"{message}, since the model was distilled to 4 steps");
    }

    /// <summary>Generated images are not transformed, and so the student needs no layer for that.</summary>
    [TestMethod]
    public void Fit_TeacherWithALayerForTransforms_IsAsIfItHadNone()
    {
        var told = Guided with { Network = Guided.Network with { TakesTransform = true } };
        using var model = new ConditionalDiffusionTransformer(Ml, told, RandomNetwork.Create(told.Network));
        using var plain = new ConditionalDiffusionTransformer(
            Ml, Guided, InitialModel.From(model).CreateNetwork(Guided, CPU));
        using var distilled = Fit(model, Options);
        using var expected = Fit(plain, Options);
        Assert.AreSequenceEqual(
            Values(expected, network => network.Parameters), Values(distilled, network => network.Parameters));
    }

    [TestMethod]
    [DataRow(400, 4, 4)]
    [DataRow(400, 200, 2)]
    [DataRow(7, 4, 1)]
    public void TeacherSteps_LeftOpen_AreFourOrWhatTheScheduleHas(int timesteps, int steps, int expected)
    {
        using var model = Tiny.Create(Ml, Guided with { Timesteps = timesteps });
        Assert.AreEqual(expected, (Options with { Steps = steps, TeacherSteps = null }).For(model).TeacherSteps);
    }

    [TestMethod]
    public void Fit_DistilledModel_HalvesItsSteps()
    {
        using var model = Tiny.Create(Ml, Guided);
        using var four = Fit(model, Options);
        using var two = Fit(four, Options with { Steps = 2, TeacherSteps = null });
        Assert.AreEqual(2, two.Sampling.Steps);

        var exception = Assert.ThrowsExactly<ArgumentException>(
            () => Fit(four, Options with { Steps = 3, TeacherSteps = null }));
        Assert.Contains("Steps must be less than 4 and a divisor of it", exception.Message);
        Assert.DoesNotContain("TeacherSteps", exception.Message);
        exception = Assert.ThrowsExactly<ArgumentException>(
            () => Fit(four, Options with { Steps = 2, TeacherSteps = 3 }));
        Assert.Contains("TeacherSteps must be null or 4 / Steps", exception.Message);
    }

    /// <summary>The statistics of the batch norms are the teacher's, so that both normalize alike.</summary>
    [TestMethod]
    public void Fit_Weights_ChangeButNotTheStatistics()
    {
        using var model = Tiny.Create(Ml, Guided);
        using var distilled = Fit(model, Options);
        using var scope = NewDisposeScope();
        Assert.AreSequenceEqual(
            Values(model, network => network.Buffers), Values(distilled, network => network.Buffers));
        var before = Values(model, network => network.Parameters);
        Assert.IsFalse(before.SequenceEqual(Values(distilled, network => network.Parameters)));
    }

    [TestMethod]
    public void Fit_Cancelled_ResumesToTheSameWeights()
    {
        using var directory = new TemporaryDirectory();
        using var model = Tiny.Create(Ml, Guided);
        using var whole = Fit(model, Options);
        using var source = new CancellationTokenSource();
        var options = Options with { CheckpointDirectory = directory.Path, ProgressInterval = TimeSpan.Zero };
        Assert.ThrowsExactly<OperationCanceledException>(() => Fit(model, options with
        {
            CancellationToken = source.Token,
            Progress = new Reporter(progress =>
            {
                if (progress.Step == 2) source.Cancel();
            }),
        }));

        using var resumed = Fit(model, options);
        Assert.AreSequenceEqual(
            Values(whole, network => network.Parameters), Values(resumed, network => network.Parameters));

        // A checkpoint belongs to one teacher, its sampler and its guidance.
        using var weaker = Ml.ImageGeneration.WithSampling(model, model.Sampling with { GuidanceScale = 2 });
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(weaker, options));
        Assert.Contains("GuidanceScale", exception.Message);
        using var other = Ml.ImageGeneration.WithSampling(model, model.Sampling with { Sampler = Sampler.Ddim });
        exception = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(other, options));
        Assert.Contains("Sampler was DpmSolver", exception.Message);
    }

    [TestMethod]
    public void Distillation_ModelThatCannotBe_IsRefused()
    {
        using var noise = Tiny.Create(Ml);
        var exception = Assert.ThrowsExactly<ArgumentException>(() => Fit(noise, Options with { Steps = 0 }));
        Assert.Contains("Prediction of the model must be Velocity", exception.Message);
        Assert.Contains("Steps must be from 1 to 4, but is 0.", exception.Message);

        var keys = Ml.Transforms.Conversion.MapValueToKey("Label").Fit(Tiny.Rows(Ml));
        Assert.ThrowsExactly<ArgumentException>(() => Ml.ImageGeneration.Trainers.Distillation(keys));

        var named = Guided with { Labels = new(2, ["cat", "cow"]) };
        using var model = Tiny.Create(Ml, named);
        var trainer = Ml.ImageGeneration.Trainers.Distillation(model, Options);
        var unknown = Assert.ThrowsExactly<InvalidOperationException>(() => trainer.Fit(Tiny.KeyedAnimals(Ml)));
        Assert.Contains("Column 'Label' has", unknown.Message);
        Assert.Contains("knows only 2 labels (cat, cow)", unknown.Message);

        var seeded = Guided with { Sampling = Guided.Sampling with { SeedColumnName = "Name" } };
        using var withSeeds = Tiny.Create(Ml, seeded);
        var wrongSeed = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() =>
            Ml.ImageGeneration.Trainers.Distillation(withSeeds, Options).Fit(Tiny.KeyedAnimals(Ml)));
        Assert.Contains("seed column 'Name'", wrongSeed.Message);
    }

    /// <summary>A checkpoint belongs to the weights of one teacher, and to the way in which it generates.</summary>
    [TestMethod]
    public void Identity_AnotherTeacher_DiffersInWhatIsAnother()
    {
        using var model = Tiny.Create(Ml, Guided);
        var known = Identity(model);
        using var weights = new ConditionalDiffusionTransformer(
            Ml, Guided, ConditionalUNet.Create(Guided.Network, CPU, seed: 2));
        Assert.AreSequenceEqual(["Teacher"], Differences(weights));
        Differs("ClipPixels", Guided.Sampling with { ClipPixels = false });
        Differs("GuidanceSigmaLow", Guided.Sampling with { GuidanceSigmaLow = 0.25 });
        Differs("GuidanceSigmaHigh", Guided.Sampling with { GuidanceSigmaHigh = null });

        void Differs(string option, SamplingOptions sampling)
        {
            using var other = Tiny.Create(Ml, Guided with { Sampling = sampling });
            Assert.AreSequenceEqual([option], Differences(other));
        }

        IEnumerable<string> Differences(ConditionalDiffusionTransformer other)
        {
            var identity = Identity(other);
            return known.Keys.Where(name => known[name] != identity[name]);
        }

        static IReadOnlyDictionary<string, string> Identity(ConditionalDiffusionTransformer teacher) =>
            Options.For(teacher).Identity(1, CPU, ScalarType.Float32, new(2, ["cat", "dog"]));
    }

    [TestMethod]
    public void Options_Identity_HasEveryOptionThatDecides()
    {
        using var model = Tiny.Create(Ml, Guided);
        var options = new OptionReflection<DistillationTrainer.Options>(
            Options.For(model), new(2, ["cat", "dog"]), []);
        options.CheckIdentityIsComplete();
        options.CheckIdentityOfEachOption();
    }

    [TestMethod]
    public void Estimator_Distillation_ConformsToMLNet()
    {
        using var model = Tiny.Create(Ml, Guided);
        var trainer = Ml.ImageGeneration.Trainers.Distillation(model, Options);
        EstimatorConformance.Check(Ml, trainer, Ml.Data.LoadFromEnumerable(Tiny.Images), Tiny.Rows(Ml));
    }

    private static ConditionalDiffusionTransformer Fit(ITransformer model, DistillationTrainer.Options options) =>
        Ml.ImageGeneration.Trainers.Distillation(model, options).Fit(Ml.Data.LoadFromEnumerable(Tiny.Images));

    /// <summary>Goes the way from T to 0 in some parts, with eight steps of the teacher in all.</summary>
    private static Tensor Go(
        ConditionalDiffusionTransformer model, ModelDescription description, Tensor start, int parts)
    {
        var student = Timesteps.Choose(description.CreateSchedule(), StepSpacing.Angle, parts);
        var divided = Timesteps.Divide(description.CreateSchedule(), student, 8 / parts);
        DistillationTeacher? teacher = null;
        model.Generator.UseNetwork(network => teacher = new(network, description, divided, ScalarType.Float32));
        using (teacher)
        {
            foreach (var (part, t) in student.Index())
                start = teacher!.Go(start, [1, 0], t, part + 1 < parts ? student[part + 1] : 0);
        }

        return start;
    }

    private static float[] Values(ConditionalDiffusionTransformer model, Func<ConditionalUNet, Tensor> choose)
    {
        float[] values = [];
        model.Generator.UseNetwork(network => values = choose(network).detach().data<float>().ToArray());
        return values;
    }

    /// <summary>Vertical bars of label 0 and horizontal ones of label 1, at every place.</summary>
    private static IDataView Bars() => Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 64).Select(i => new Tiny.Image
    {
        Label = (uint)i % 2,
        Pixels = [.. Enumerable.Range(0, 64).Select(pixel => IsBar(i, pixel % 8, pixel / 8) ? 1f : -1f)],
    }));

    private static bool IsBar(int image, int column, int row) =>
        (image % 2 == 0 ? column : row) == image / 2 % 8;
}
